package checkpoint

import (
	"hash/crc32"
	"io"
	"os"
)

// Sum tells a file that was written to its end from one that was not, or that the
// disk has lost a part of. It is no proof against people: see [Folder.Digest].
type Sum struct {
	Bytes  int64  `json:"bytes"`
	CRC32C uint32 `json:"crc32c"`
}

// Write implements io.Writer: it adds to the sum.
func (s *Sum) Write(p []byte) (int, error) {
	s.Bytes += int64(len(p))
	s.CRC32C = crc32.Update(s.CRC32C, crc32.MakeTable(crc32.Castagnoli), p)
	return len(p), nil
}

// SumFile sums a file up.
func SumFile(path string) (s Sum, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	_, err = io.CopyBuffer(&s, f, make([]byte, 1<<20))
	return s, err
}
