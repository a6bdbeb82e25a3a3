package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/fault"
)

// Role is what a member of the fleet is there for.
type Role string

// The roles.
const (
	RoleGateway Role = "gateway" // asks
	RoleWorker  Role = "worker"  // answers
)

// Member is a process of the fleet, as it tells of itself.
type Member struct {
	ID   string `json:"id"`   // no two have the same
	Name string `json:"name"` // for people: its machine and process
	Role Role   `json:"role"`
	// Slots is how many orders it takes at once.
	Slots int `json:"slots"`
	// Version is of the program, and Numerics of how its device computes: members
	// that differ in one of them may come to different verdicts.
	Version  string `json:"version"`
	Numerics string `json:"numerics"`
	// Models are its source models, by name, with the digests of their contents.
	Models map[string]string `json:"models"`
	// JoinedAt is when it came.
	JoinedAt time.Time `json:"joined_at"`
}

// Differences says what keeps m from answering for other: nothing if it is empty.
func (m Member) Differences(other Member) []string {
	var why []string
	if m.Version != other.Version {
		why = append(why, "version "+m.Version+", there "+other.Version)
	}
	if m.Numerics != other.Numerics {
		why = append(why, "computes by "+m.Numerics+", there by "+other.Numerics)
	}
	for _, name := range slices.Sorted(maps.Keys(other.Models)) {
		switch digest, has := m.Models[name]; {
		case !has:
			why = append(why, "has no model "+name)
		case digest != other.Models[name]:
			why = append(why, "model "+name+" has another content")
		}
	}
	return why
}

// roster knows who is in the fleet. Members that are not heard of for a while are
// not in it any more.
type roster struct {
	redis redis.UniversalClient
	ttl   time.Duration
}

// beats is how often a member is heard of while it lasts.
const beats = 4

// enter tells of a member, and once again.
func (r roster) enter(ctx context.Context, m Member) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "write a member of the fleet")
	}
	_, err = r.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, keyMembers, m.ID, body)
		p.Set(ctx, keyAlive(m.ID), "", r.ttl)
		return nil
	})
	return r.fault(err)
}

// leave takes a member out.
func (r roster) leave(ctx context.Context, id string) error {
	_, err := r.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HDel(ctx, keyMembers, id)
		p.Del(ctx, keyAlive(id))
		return nil
	})
	return r.fault(err)
}

// alive tells whether a member was heard of lately.
func (r roster) alive(ctx context.Context, id string) (bool, error) {
	n, err := r.redis.Exists(ctx, keyAlive(id)).Result()
	return n > 0, r.fault(err)
}

// list gives the members of a role, by name, and forgets those that are gone.
func (r roster) list(ctx context.Context, role Role) ([]Member, error) {
	known, err := r.redis.HGetAll(ctx, keyMembers).Result()
	if err != nil || len(known) == 0 {
		return nil, r.fault(err)
	}
	ids := slices.Sorted(maps.Keys(known))
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = keyAlive(id)
	}
	signs, err := r.redis.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, r.fault(err)
	}
	var members []Member
	for i, id := range ids {
		if signs[i] == nil {
			_ = r.redis.HDel(ctx, keyMembers, id).Err() // it comes again if it wakes up
			continue
		}
		var m Member
		if json.Unmarshal([]byte(known[id]), &m) == nil && m.Role == role {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	return members, nil
}

// beat tells of a member until ctx ends, and takes it out then. What goes wrong
// goes to report.
func (r roster) beat(ctx context.Context, describe func() Member, report func(error)) {
	tick := time.NewTicker(r.ttl / beats)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := r.enter(ctx, describe()); err != nil && ctx.Err() == nil {
				report(err)
			}
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = r.leave(late, describe().ID) // or it is forgotten in a while
			return
		}
	}
}

// fault says that Redis is out of reach, if anything went wrong.
func (r roster) fault(err error) error {
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	return fault.Wrap(err, fault.Unavailable, "ask Redis about the fleet")
}

// Keys of Redis, beside asynq's.
const (
	keyPrefix  = "mergeway:fleet:"
	keyMembers = keyPrefix + "members"
)

func keyAlive(id string) string    { return keyPrefix + "alive:" + id }
func keyAnswer(id string) string   { return keyPrefix + "answer:" + id }
func keyHolder(task string) string { return keyPrefix + "holder:" + task }
