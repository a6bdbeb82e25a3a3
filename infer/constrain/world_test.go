package constrain

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

type object = map[string]any

// eos is the token that ends a text in all the tests' tokenizers.
const eos = 2

var specials = []string{"<unk>", "<s>", "</s>", "[INST]"}

// zoo is the vocabulary of the shipped miniature models, with rows to spare.
func zoo(t testing.TB) Vocabulary {
	t.Helper()
	tok, err := tokenizer.Load("../../zoo/models/base")
	require.NoError(t, err)
	return Vocabulary{Tokenizer: tok, Rows: tok.VocabSize() + 45, EOS: []int32{eos}}
}

func fromFile(t testing.TB, file object) Vocabulary {
	t.Helper()
	data, err := json.Marshal(file)
	require.NoError(t, err)
	tok, err := tokenizer.FromBytes(data)
	require.NoError(t, err)
	return Vocabulary{Tokenizer: tok, Rows: tok.VocabSize(), EOS: []int32{eos}}
}

func tokenizerFile(vocab object, decoder object) object {
	var added []object
	for id, name := range specials {
		added = append(added, object{"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
	}
	return object{
		"version": "1.0", "added_tokens": added, "normalizer": nil, "pre_tokenizer": nil, "post_processor": nil, "decoder": decoder,
		"model": object{"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": false, "vocab": vocab, "merges": []any{}},
	}
}

func withSpecials() object {
	vocab := object{}
	for id, name := range specials {
		vocab[name] = id
	}
	return vocab
}

// sentencePiece is a vocabulary like Llama 2's: words begin with ▁, the first
// one's is dropped, and what is missing falls back to bytes.
func sentencePiece(t testing.TB) Vocabulary {
	t.Helper()
	vocab := withSpecials()
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = len(specials) + b
	}
	for _, piece := range []string{
		"▁", "▁▁", "▁a", "a", "b", "ab", "▁{", "{", "}", `{"`, `"`, `":`, `",`, `▁"`, "[", "]", ":", ",", "1", "2", "23", "▁1", "-", ".", "0",
		"true", "false", "null", "\n", "日", "本", "日本", "は", "東京", "name", "age", "鬱", "\\", "\\n", "。", "yes", "no", "▁yes",
	} {
		vocab[piece] = len(vocab)
	}
	return fromFile(t, tokenizerFile(vocab, object{"type": "Sequence", "decoders": []object{
		{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "},
		{"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}))
}

// byteLevel is a vocabulary like Llama 3's: tokens are bytes, and may begin and
// end within characters.
func byteLevel(t testing.TB) Vocabulary {
	t.Helper()
	vocab := withSpecials()
	for b := range 256 {
		vocab[level(string([]byte{byte(b)}))] = len(specials) + b
	}
	for _, piece := range []string{
		" a", "ab", `{"`, `":`, `",`, `"}`, ` "`, "日", "本", "日本", "本\xE8", "\x9E\x9E", "東京", "name", "age", "true", "false", "null", "12", "345",
		"yes", "no", "\xAC\xE6", "  ", "\xE3\x81",
	} {
		vocab[level(piece)] = len(vocab)
	}
	file := tokenizerFile(vocab, object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})
	file["pre_tokenizer"] = object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return fromFile(t, file)
}

// level writes bytes as GPT-2 does: printable ones as themselves, the others from
// U+0100 on in their order.
func level(raw string) string {
	var out []rune
	for _, b := range []byte(raw) {
		next := rune(0x100)
		for i := range 256 {
			printable := i >= '!' && i <= '~' || i >= 0xA1 && i <= 0xAC || i >= 0xAE
			if i == int(b) {
				if printable {
					next = rune(i)
				}
				break
			}
			if !printable {
				next++
			}
		}
		out = append(out, next)
	}
	return string(out)
}

func vocabularies(t testing.TB) map[string]Vocabulary {
	return map[string]Vocabulary{"zoo": zoo(t), "sentencepiece": sentencePiece(t), "byte level": byteLevel(t)}
}

func allowedIDs(mask []uint32) (ids []int32) {
	for word, bits := range mask {
		for bit := range 32 {
			if bits&(1<<bit) != 0 {
				ids = append(ids, int32(32*word+bit))
			}
		}
	}
	return ids
}

// walk picks random tokens that the masks allow until the text ends, and gives
// the text as a reply shows it. It hurries to the end after some tokens.
func walk(t testing.TB, v Vocabulary, g *Grammar, random *rand.Rand) string {
	t.Helper()
	m := g.newMatcher()
	defer m.Close()
	stream, shown := v.Tokenizer.NewStream(allowedIDs(g.special)...), ""
	pieces := v.Tokenizer.Pieces()
	patience := random.IntN(40)
	for step := 0; !m.Stopped(); step++ {
		require.Less(t, step, 5000, "no end: %q", shown)
		mask, err := m.Mask()
		require.NoError(t, err, "%q", shown)
		require.Len(t, mask, (v.Rows+31)/32)
		ids := allowedIDs(mask)
		require.NotEmpty(t, ids)
		require.Less(t, int(ids[len(ids)-1]), v.Rows)
		id := ids[random.IntN(len(ids))]
		if step > patience && random.IntN(4) > 0 {
			id = closest(ids, pieces, id)
		}
		require.NoError(t, m.Accept(id), "%d after %q", id, shown)
		if id == eos {
			require.True(t, m.Stopped())
			break
		}
		shown += stream.Push(id)
	}
	return shown + stream.Flush()
}

// closest prefers what ends a text or a part of it.
func closest(ids []int32, pieces []tokenizer.Piece, or int32) int32 {
	best, rank := or, 0
	for _, id := range ids {
		r := 0
		switch {
		case id == eos:
			return id
		case int(id) >= len(pieces):
		case pieces[id].Bytes == `"`: // within a string the others end nothing
			r = 2
		case pieces[id].Bytes == "}", pieces[id].Bytes == "]":
			r = 1
		}
		if r > rank {
			best, rank = id, r
		}
	}
	return best
}
