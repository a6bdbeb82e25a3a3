package gateway

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// responseIDs makes the ids of one response and of its items. They share a token,
// so that an item's id says with which response it came.
type responseIDs struct {
	token string
	items int // that have an id
}

func newResponseIDs() *responseIDs { return &responseIDs{token: rand.Text()} }

func (r *responseIDs) response() string { return "resp_" + r.token }

// next is the id of the next item of a kind.
func (r *responseIDs) next(kind string) string {
	r.items++
	return kind + "_" + r.token + "_" + strconv.Itoa(r.items)
}

// responseOfItem gives the id of the response with which an item came.
func responseOfItem(id string) (string, bool) {
	parts := strings.Split(id, "_")
	if len(parts) != 3 || parts[1] == "" {
		return "", false
	}
	return "resp_" + parts[1], true
}
