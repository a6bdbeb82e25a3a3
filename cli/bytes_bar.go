package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bytesBar shows how many bytes are done, and how fast; only at a terminal, for
// in a log it would be noise.
type bytesBar struct{ bar *progressbar.ProgressBar }

func newBytesBar(w io.Writer, what string, total int64) *bytesBar {
	f, ok := w.(*os.File)
	if !ok {
		return &bytesBar{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &bytesBar{}
	}
	return &bytesBar{progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true), progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))}
}

func (b *bytesBar) set(done int64) {
	if b.bar != nil {
		_ = b.bar.Set64(done)
	}
}

// clear makes place for a line of text.
func (b *bytesBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// end takes the bar away, however far it has come.
func (b *bytesBar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}

// bytesText is an amount of memory for people.
func bytesText(n int64) string {
	size, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}
