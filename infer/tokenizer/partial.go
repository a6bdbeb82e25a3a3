package tokenizer

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// partialTokens finds the tokens that hold a part of a character, and the bytes
// they stand for: "<0xE3>" where the vocabulary falls back to bytes, and tokens
// of vocabularies of bytes that are cut at no character's border.
func (t *Tokenizer) partialTokens() map[int32]string {
	found := map[int32]string{}
	for token, id := range t.ids {
		raw, ok := fallbackByte(token)
		if !ok {
			raw, ok = levelBytes(token)
		}
		if ok && !utf8.ValidString(raw) && strings.Contains(t.decode([]int32{id}, false), "\uFFFD") {
			found[id] = raw
		}
	}
	return found
}

// unfinished counts the tokens at the end of ids that hold the beginning of a
// character whose end can still come. within tells that the first of them holds
// other bytes before it.
func (t *Tokenizer) unfinished(ids []int32) (tokens int, within bool) {
	tail := ""
	for i := len(ids) - 1; i >= 0 && len(tail) < utf8.UTFMax; i-- {
		raw, partial := t.partial[ids[i]]
		if !partial {
			return 0, false
		}
		tail = raw + tail
		if at := lastStart(tail); at >= 0 {
			if utf8.FullRuneInString(tail[at:]) { // whole, or broken for good
				return 0, false
			}
			return len(ids) - i, at > 0
		}
	}
	return 0, false
}

// lastStart finds the last byte that isn't the continuation of a character; -1
// if there is none.
func lastStart(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return -1
}

var fallbackToken = regexp.MustCompile(`^<0x([0-9A-F]{2})>$`)

// fallbackByte is the byte of a token like "<0xE3>".
func fallbackByte(token string) (string, bool) {
	match := fallbackToken.FindStringSubmatch(token)
	if match == nil {
		return "", false
	}
	b, err := strconv.ParseUint(match[1], 16, 8)
	return string([]byte{byte(b)}), err == nil
}

// levelBytes are the bytes of a token of GPT-2's kind, which writes printable
// bytes as themselves and the others from U+0100 on, in their order.
func levelBytes(token string) (string, bool) {
	raw := make([]byte, 0, len(token))
	for _, r := range token {
		switch {
		case r >= '!' && r <= '~', r >= 0xA1 && r <= 0xAC, r >= 0xAE && r <= 0xFF:
			raw = append(raw, byte(r))
		case r >= 0x100 && r <= 0x120: // 00 to 20
			raw = append(raw, byte(r-0x100))
		case r >= 0x121 && r <= 0x142: // 7F to A0
			raw = append(raw, byte(r-0x121+0x7F))
		case r == 0x143:
			raw = append(raw, 0xAD)
		default:
			return "", false
		}
	}
	return string(raw), true
}
