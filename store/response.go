package store

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Response is a reply that is kept, so that a conversation can go on from it.
// Body is the gateway's own JSON.
type Response struct {
	ID        string          `json:"id"`
	Owner     string          `json:"owner,omitempty"` // a digest of the API key that it was made with; empty: there were none
	Body      json.RawMessage `json:"body,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	ExpiresAt time.Time       `json:"expires_at"` // from then on it is gone
}

// encodeResponse checks and writes a response.
func encodeResponse(r Response, most int) ([]byte, error) {
	if err := checkKey("id", r.ID); err != nil {
		return nil, err
	}
	if most < 1 {
		return nil, fault.Bad("most", "of %d responses none could be kept", most)
	}
	r.CreatedAt, r.ExpiresAt = utc(r.CreatedAt), utc(r.ExpiresAt)
	return encode(r)
}

// expired tells whether the response's time is over.
func (r Response) expired() bool { return !time.Now().Before(r.ExpiresAt) }

// orderedTime is a moment as bytes that sort by time: milliseconds since 1970,
// which no year that JSON can write overflows, with the sign turned round.
func orderedTime(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli())^1<<63)
}

// orderKey sorts responses by time of creation, then id.
func (r Response) orderKey() []byte { return append(orderedTime(r.CreatedAt), r.ID...) }
