package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushEvery is how many bytes are written before the disk is asked to begin with
// them.
const flushEvery = 64 << 20

// flusher lets the disk work while a large file is written. Left to itself the
// kernel keeps gigabytes in memory, and syncing the file in the end takes as long
// as all of its writing.
type flusher struct {
	file    *os.File
	written int64
	asked   int64 // of them, how many the disk has been asked for
}

// Write implements io.Writer.
func (f *flusher) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	f.written += int64(n)
	if f.written-f.asked >= flushEvery {
		// A hint: what goes wrong is told when the file is synced.
		_ = unix.SyncFileRange(int(f.file.Fd()), f.asked, f.written-f.asked, unix.SYNC_FILE_RANGE_WRITE)
		f.asked = f.written
	}
	return n, err
}
