package store

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Document is something that a room keeps under a kind and an id. Body is the
// room's own JSON, which lists give; Data is bytes that are asked for one document
// at a time, and may be long.
type Document struct {
	Kind      string          `json:"-"` // filled in by the store; where documents are kept says it
	ID        string          `json:"id"`
	Body      json.RawMessage `json:"body,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	// Data is what is written with the record; the store gives it by DocumentData
	// only. Nil: what is there stays.
	Data []byte `json:"-"`
}

// MaxData is the most bytes of data that a document has, or a trial's samples.
const MaxData = 256 << 20

// encodeDocument checks and writes a document without its data.
func encodeDocument(d Document) ([]byte, error) {
	if err := checkKey("kind", d.Kind); err != nil {
		return nil, err
	}
	if err := checkKey("id", d.ID); err != nil {
		return nil, err
	}
	if len(d.Data) > MaxData {
		return nil, fault.Bad("data", "the data has %d bytes: at most %d", len(d.Data), MaxData)
	}
	d.CreatedAt, d.UpdatedAt = utc(d.CreatedAt), utc(d.UpdatedAt)
	return encode(d)
}

// taken is the answer to who makes a document that is there already.
func taken(kind, id string) error {
	return fault.New(fault.Conflict, "there is already a %s %q", kind, id)
}

// sortDocuments puts documents in order, and says of which kind they are.
func sortDocuments(kind string, all []Document) {
	for i := range all {
		all[i].Kind = kind
	}
	slices.SortFunc(all, func(a, b Document) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}
