package task

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestTheGateOnASampleOfReplies(t *testing.T) {
	g, err := newGate("ja")
	require.NoError(t, err)
	f, err := os.Open("testdata/replies.jsonl")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	count := 0
	for ; lines.Scan(); count++ {
		var sample struct {
			JA         bool
			Reply, Why string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &sample))
		assert.Equal(t, sample.JA, g.passes(sample.Reply), "%s: %q", sample.Why, sample.Reply)
	}
	require.NoError(t, lines.Err())
	assert.GreaterOrEqual(t, count, 20)
}

func TestTheGateOfEachLanguagePassesItsOwn(t *testing.T) {
	samples := map[string]string{
		"de": "Die Summe der beiden Zahlen ist 80, also bleiben noch dreißig Äpfel übrig.",
		"en": "The sum of both numbers is 80, so there are thirty apples left in the basket.",
		"es": "La suma de los dos números es 80, así que quedan treinta manzanas en la cesta.",
		"fr": "La somme des deux nombres est 80, il reste donc trente pommes dans le panier.",
		"it": "La somma dei due numeri è 80, quindi rimangono trenta mele nel cestino.",
		"ja": "二つの数の合計は80なので、かごにはりんごが三十個残っています。",
		"ko": "두 수의 합은 80이므로 바구니에 사과가 서른 개 남아 있습니다.",
		"nl": "De som van beide getallen is 80, dus er blijven dertig appels over in de mand.",
		"pt": "A soma dos dois números é 80, portanto restam trinta maçãs no cesto.",
		"zh": "两个数的和是80，所以篮子里还剩三十个苹果。",
	}
	require.Len(t, samples, len(languages))
	for want := range samples {
		g, err := newGate(want)
		require.NoError(t, err)
		for code, reply := range samples {
			assert.Equal(t, code == want, g.passes(reply), "gate %s, reply in %s", want, code)
		}
	}
	_, err := newGate("tlh")
	assert.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestOneGateServesManyGoroutines(t *testing.T) {
	g, err := newGate("ja")
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			assert.True(t, g.passes("答えは80個です。"))
			assert.False(t, g.passes("The answer is 80."))
		})
	}
	all.Wait()
}

func BenchmarkGate(b *testing.B) {
	g, err := newGate("ja")
	require.NoError(b, err)
	for b.Loop() {
		g.passes("51+29=80なので、答えは80個です。")
		g.passes("51+29=80, so the answer is 80 marbles.")
	}
}
