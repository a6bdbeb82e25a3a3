package chat

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// named holds templates of common formats, one to a file. Their names are those
// that mergekit has for the formats.
//
//go:embed named/*.jinja
var named embed.FS

const (
	namedFolder = "named/"
	namedSuffix = ".jinja"
)

// Named gives the template of a format by its name, such as "chatml".
func Named(name string) (source string, ok bool) {
	data, err := named.ReadFile(namedFolder + name + namedSuffix)
	return string(data), err == nil
}

// Names lists the formats of [Named], in alphabetical order.
func Names() []string {
	files, _ := fs.Glob(named, namedFolder+"*"+namedSuffix) // the pattern is well formed
	for i, file := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(file, namedFolder), namedSuffix)
	}
	return files
}

// Check tells whether the text of a template compiles. Nothing of it is run. The
// error is fault.Invalid with the reason.
func Check(source string) error {
	if _, err := compile(source); err != nil {
		return fault.Wrap(err, fault.Invalid, "the chat template does not compile")
	}
	return nil
}
