package chat

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneTemplateServesManyAtOnce(t *testing.T) {
	for name, source := range map[string]string{"mistral": mistral, "llama 3": llama3, "chatml": chatml} {
		t.Run(name, func(t *testing.T) {
			compiled := template(t, source)
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for n := range 10 {
						messages := []Message{{Role: "user", Content: fmt.Sprintf("%d </s> %d", i, n)}}
						want, err := compiled.Render(messages)
						if err != nil {
							t.Error(err)
							return
						}
						ids, err := compiled.Encode(messages)
						if err != nil || compiled.tokenizer.Decode(ids, false) != want {
							t.Errorf("%q: %v", want, err)
						}
					}
				})
			}
			all.Wait()
			require.NotEmpty(t, compiled.Source())
		})
	}
}
