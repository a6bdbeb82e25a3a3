package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Digest is the SHA-256 of a key. Passwords need a slow, salted hash, because
// people choose them from few; a key is 256 random bits, and who has its digest
// could not find it with all the computers there are. A fast hash is as safe
// then, and can be afforded at every request.
type Digest [sha256.Size]byte

const (
	secretPrefix = "mw-" // says what was found, should one end up where it shouldn't
	digestPrefix = "sha256:"
)

// NewSecret makes a key.
func NewSecret() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails: see crypto/rand
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random)
	return secretPrefix + strings.ToLower(text)
}

// DigestOf gives the digest of a key.
func DigestOf(secret string) Digest { return sha256.Sum256([]byte(secret)) }

// String writes a digest as configuration and store have it: "sha256:" and 64
// hexadecimal digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// id names a key by its digest.
func (d Digest) id() string { return "key-" + hex.EncodeToString(d[:8]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(d)) {
		return fault.Bad("hash", "a hash is sha256: and %d hexadecimal digits", hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(digits)); err != nil {
		return fault.Bad("hash", "a hash is sha256: and %d hexadecimal digits", hex.EncodedLen(len(d)))
	}
	return nil
}
