package task

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/picture"
)

// The limits of a task's pictures. What comes over HTTP is bounded as a whole
// before, by the gateway.
const (
	maxPictureBytes  = 20 << 20  // one file
	maxPicturesBytes = 512 << 20 // all of a task
	maxPictures      = 20_000
	maxShown         = 16 // pictures of one problem
)

// picturesKey is the parameter that errors about pictures as a whole name.
const picturesKey = "pictures"

// pictureName is what the file of a picture may be called: nothing that leads out
// of the task's folder, that is hidden, or that is another file of the task.
var pictureName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_-]{0,63}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(?i:png|jpe?g|webp|gif)$`)

// CheckPictureName says why the file of a picture can't be called so.
func CheckPictureName(name string) error {
	if !pictureName.MatchString(name) {
		return fault.Bad(picturesKey, "%q is not the name of a picture: letters, digits, dots, dashes and underscores, then .png, .jpg, .jpeg, .webp or .gif, in the task's folder or in one below it", clip(name))
	}
	return nil
}

// Picture is a picture that problems show. It is kept as its file is.
type Picture struct {
	Name string   // that of the file, below the task's folder
	Hash [32]byte // SHA-256 of Data
	Data []byte   // PNG, JPEG, WebP or GIF
}

// Shows tells whether a problem shows a picture.
func (p Problem) Shows() bool { return len(p.shown()) > 0 }

// shown are the names of the pictures that a problem shows, in their order.
func (p Problem) shown() []string {
	if p.Image != "" {
		return []string{p.Image}
	}
	return p.Images
}

// asked is the turn that asks a problem in these words.
func (p Problem) asked(words string) chat.Message {
	if !p.Shows() {
		return chat.Message{Role: "user", Content: words}
	}
	var parts []chat.Part
	for range p.shown() {
		parts = append(parts, chat.Part{Picture: true})
	}
	return chat.Message{Role: "user", Parts: append(parts, chat.Part{Text: words})}
}

// checkShown refuses names that can't be those of pictures.
func (p Problem) checkShown() error {
	if p.Image != "" && len(p.Images) > 0 {
		return errors.New("a problem has an image or images, not both")
	}
	if len(p.Images) > maxShown {
		return fmt.Errorf("%d images: at most %d", len(p.Images), maxShown)
	}
	for _, name := range p.shown() {
		if err := CheckPictureName(name); err != nil {
			return err
		}
	}
	return nil
}

// Pictures are those that a problem of the task shows, in their order.
func (t *Task) Pictures(p Problem) []Picture {
	var all []Picture
	for _, name := range p.shown() {
		all = append(all, t.pictures[name])
	}
	return all
}

// Picture gives a picture of the task by the name of its file.
func (t *Task) Picture(name string) (Picture, bool) {
	p, there := t.pictures[name]
	return p, there
}

// parsePictures checks the pictures that came with a task, before its problems are
// read.
func parsePictures(files map[string][]byte) (map[string]Picture, error) {
	if len(files) > maxPictures {
		return nil, fault.Bad(picturesKey, "%d pictures: at most %d", len(files), maxPictures)
	}
	pictures, whole := make(map[string]Picture, len(files)), 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := files[name]
		if err := CheckPictureName(name); err != nil {
			return nil, err
		}
		if len(data) > maxPictureBytes {
			return nil, fault.Bad(picturesKey, "%s: longer than %d bytes", name, maxPictureBytes)
		}
		if whole += len(data); whole > maxPicturesBytes {
			return nil, fault.Bad(picturesKey, "the pictures are longer than %d bytes together", maxPicturesBytes)
		}
		if err := picture.Inspect(data, picture.DefaultLimits()); err != nil {
			return nil, fault.Bad(picturesKey, "%s: %v", name, err)
		}
		pictures[name] = Picture{Name: name, Hash: sha256.Sum256(data), Data: data}
	}
	return pictures, nil
}

// hashPictures adds pictures to a task's digest: nothing if it has none.
func hashPictures(h io.Writer, pictures map[string]Picture) {
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		fmt.Fprintf(h, "%s %x\n", name, pictures[name].Hash)
	}
}

// checkUsed refuses pictures that no problem shows: somebody meant something else.
func (t *Task) checkUsed() error {
	used := map[string]bool{}
	for _, problems := range t.problems {
		for _, p := range problems {
			for _, name := range p.shown() {
				used[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.pictures)) {
		if !used[name] {
			return fault.Bad(picturesKey, "%s: no problem shows it", name)
		}
	}
	return nil
}

// readPictures reads the pictures that the problems of a folder name. Those that
// are not there, or can't be, are left to [Loader.Parse], which knows the line.
func readPictures(dir string, splits map[Split][]byte) (map[string][]byte, error) {
	names := namedPictures(splits)
	if len(names) == 0 {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "the task's folder")
	}
	defer root.Close()
	pictures, whole := map[string][]byte{}, 0
	for _, name := range names {
		data, err := readPicture(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "task file %s", path.Join(dir, name))
		}
		if whole += len(data); whole > maxPicturesBytes {
			return nil, fault.New(fault.Damaged, "%s: the pictures are longer than %d bytes together", dir, maxPicturesBytes)
		}
		pictures[name] = data
	}
	return pictures, nil
}

// readPicture reads one file, which has to be one: no link, no pipe.
func readPicture(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPictureBytes+1))
	if err == nil && len(data) > maxPictureBytes {
		err = fmt.Errorf("longer than %d bytes", maxPictureBytes)
	}
	return data, err
}

// namedPictures are the names that problems give to their pictures, in order, as far
// as they are good ones. Lines that are no problems have none.
func namedPictures(splits map[Split][]byte) []string {
	named := map[string]bool{}
	for _, split := range Splits() {
		for line := range bytes.Lines(splits[split]) {
			var p Problem
			if !bytes.Contains(line, []byte(`"image`)) { // most tasks have none
				continue
			}
			if json.Unmarshal(line, &p) != nil || p.checkShown() != nil {
				continue
			}
			for _, name := range p.shown() {
				named[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(named))
}

// checkPictures says why a problem can't show the pictures that it names.
func (t *Task) checkPictures(p Problem) error {
	if p.Shows() && t.Format == Text {
		return fmt.Errorf("a task of the format %s shows no pictures", Text)
	}
	for _, name := range p.shown() {
		if _, there := t.pictures[name]; !there {
			return fmt.Errorf("there is no picture %s beside the problems", name)
		}
	}
	return nil
}

// hashes tells the pictures of a problem from those of others, by what they show.
func (t *Task) hashes(p Problem) string {
	var all strings.Builder
	for _, shown := range t.Pictures(p) {
		fmt.Fprintf(&all, "\n%x", shown.Hash)
	}
	return all.String()
}

// PictureKind tells what a file is from how it begins: png, jpg, webp or gif, or
// nothing that a task can show.
func PictureKind(data []byte) string {
	begins := func(at int, mark string) bool {
		return len(data) >= at+len(mark) && string(data[at:at+len(mark)]) == mark
	}
	switch {
	case begins(0, "\x89PNG\r\n\x1a\n"):
		return "png"
	case begins(0, "\xff\xd8\xff"):
		return "jpg"
	case begins(0, "RIFF") && begins(8, "WEBP"):
		return "webp"
	case begins(0, "GIF87a"), begins(0, "GIF89a"):
		return "gif"
	}
	return ""
}
