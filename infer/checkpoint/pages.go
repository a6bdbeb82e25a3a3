package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReadAhead brings a tensor's bytes into memory in one go, where touching them
// would fetch them page by page. It is only a hint.
func (f *Folder) ReadAhead(tensor string) {
	at, ok := f.where[tensor]
	if !ok {
		return
	}
	file := at.file
	begin, end := file.span(at.name)
	page := os.Getpagesize()
	pages := file.mapped[begin/page*page : end]
	if len(pages) > 0 && unix.Madvise(pages, unix.MADV_POPULATE_READ) != nil {
		_ = unix.Madvise(pages, unix.MADV_WILLNEED) // all that older kernels can do
	}
}

// LetGo says that a tensor's bytes are not needed for now: they stop counting as
// this process's memory. Reading them again fetches them again, if need be from
// the disk.
func (f *Folder) LetGo(tensor string) {
	at, ok := f.where[tensor]
	if !ok {
		return
	}
	file := at.file
	begin, end := file.span(at.name)
	page := os.Getpagesize()
	begin, end = (begin+page-1)/page*page, end/page*page // not its neighbours'
	if begin < end {
		_ = unix.Madvise(file.mapped[begin:end], unix.MADV_DONTNEED)
	}
}

// span gives where a tensor lies in the mapped file.
func (s *Safetensors) span(tensor string) (begin, end int) {
	e, header := s.entries[tensor], len(s.mapped)-len(s.data)
	return header + e.begin, header + e.end
}
