package fetch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Data gives what a data URI holds (RFC 2397), in base64 or percent-encoded; most is
// the largest number of bytes. The type that it names is not believed, and not needed.
func Data(uri string, most int) ([]byte, error) {
	const scheme = "data:"
	if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
		return nil, fault.New(fault.Invalid, "this is no data URI, data:image/png;base64,…")
	}
	kind, payload, ok := strings.Cut(uri[len(scheme):], ",")
	if !ok {
		return nil, fault.New(fault.Invalid, "the data URI has no comma, and so no data")
	}
	parts := strings.Split(kind, ";")
	if !strings.EqualFold(strings.TrimSpace(parts[len(parts)-1]), "base64") {
		data, err := unescape(payload, most, nil)
		if errors.Is(err, errTooMuch) {
			return nil, tooMuch(most)
		}
		return data, err
	}
	// What is encoded is longer by a third.
	text, err := unescape(payload, (most+2)/3*4, func(c byte) (byte, bool) {
		switch c {
		case ' ', '\t', '\n', '\r', '\f':
			return 0, false
		case '-': // the alphabet of addresses
			return '+', true
		case '_':
			return '/', true
		}
		return c, true
	})
	if errors.Is(err, errTooMuch) {
		return nil, tooMuch(most)
	}
	if err != nil {
		return nil, err
	}
	text = bytes.TrimRight(text, "=")
	if base64.RawStdEncoding.DecodedLen(len(text)) > most {
		return nil, tooMuch(most)
	}
	n, err := base64.RawStdEncoding.Decode(text, text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the data URI holds no base64, although it says so")
	}
	return text[:n], nil
}

// unescape replaces %41 and its like, and each byte by what translate says, which may
// be nothing. The result has at most so many bytes.
func unescape(text string, most int, translate func(byte) (byte, bool)) ([]byte, error) {
	out := make([]byte, 0, min(len(text), most))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			if i+2 >= len(text) {
				return nil, fault.New(fault.Invalid, "the data URI ends in the middle of %q", text[i:])
			}
			high, low := hex(text[i+1]), hex(text[i+2])
			if high < 0 || low < 0 {
				return nil, fault.New(fault.Invalid, "the data URI has %q, which stands for no byte", text[i:i+3])
			}
			c = byte(high<<4 | low)
			i += 2
		}
		keep := true
		if translate != nil {
			c, keep = translate(c)
		}
		if !keep {
			continue
		}
		if len(out) == most {
			return nil, errTooMuch
		}
		out = append(out, c)
	}
	return out, nil
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

var errTooMuch = errors.New("too many bytes")

func tooMuch(most int) error {
	return fault.New(fault.Invalid, "the data URI holds more than %d bytes", most)
}
