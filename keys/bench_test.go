package keys

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/mergeway/mergeway/store"
)

// What a request pays for its key to be looked up, however many there are.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			s, err := store.OpenBolt(filepath.Join(b.TempDir(), "state.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			entries := make([]Entry, n)
			var secret string
			for i := range entries {
				if entries[i], secret, err = NewEntry(Spec{Name: "bench", Scopes: []Scope{Inference}}); err != nil {
					b.Fatal(err)
				}
			}
			ring, err := Open(b.Context(), s, entries, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, ok := ring.Find(secret); !ok {
					b.Fatal("the key is not found")
				}
			}
		})
	}
}
