package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// yamlField is the field of an upload with the text of task.yaml; the others have
// the names of the splits, and in a form those of pictures.
const yamlField = "yaml"

// readTask reads an upload: a JSON object, or a form of files.
func (g *Gateway) readTask(c *gin.Context) (task.Files, error) {
	kind, params, _ := mime.ParseMediaType(c.GetHeader("Content-Type")) // what can't be read is no form
	if kind != "multipart/form-data" && !isJSON(c.GetHeader("Content-Type")) {
		return task.Files{}, fault.New(notJSON, "send the task with the header Content-Type: application/json, or as multipart/form-data")
	}
	data, err := g.readAtMost(c, g.limits.TaskBytes)
	if err != nil {
		return task.Files{}, err
	}
	if kind == "multipart/form-data" {
		return readTaskForm(data, params["boundary"])
	}
	var body TaskUpload
	if err := decodeJSON(data, &body, true); err != nil {
		return task.Files{}, err
	}
	files := task.Files{YAML: []byte(body.YAML), Splits: map[task.Split][]byte{}}
	for split, raw := range map[task.Split]json.RawMessage{task.Search: body.Search, task.Validation: body.Validation, task.Test: body.Test} {
		if isNull(raw) {
			continue
		}
		if files.Splits[split], err = readLines(string(split), raw); err != nil {
			return task.Files{}, err
		}
	}
	if files.Pictures, err = readPictures(body.Pictures); err != nil {
		return task.Files{}, err
	}
	return files, checkUpload(files)
}

// readPictures gives pictures as bytes.
func readPictures(encoded map[string]string) (map[string][]byte, error) {
	var pictures map[string][]byte
	for _, name := range slices.Sorted(maps.Keys(encoded)) {
		if err := task.CheckPictureName(name); err != nil {
			return nil, err
		}
		data, err := base64.StdEncoding.DecodeString(encoded[name])
		if err != nil {
			return nil, fault.Bad("pictures."+name, "pictures.%s is not base64: %v", name, err)
		}
		if pictures == nil {
			pictures = make(map[string][]byte, len(encoded))
		}
		pictures[name] = data
	}
	return pictures, nil
}

// readLines gives problems as JSON Lines: they come so, in a string, or as a list.
func readLines(param string, raw json.RawMessage) ([]byte, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fault.Bad(param, "%s must be a string of JSON Lines, or a list of problems", param)
	}
	var lines bytes.Buffer
	for _, problem := range list {
		if err := json.Compact(&lines, problem); err != nil {
			return nil, fault.Bad(param, "%s: %v", param, err)
		}
		lines.WriteByte('\n')
	}
	return lines.Bytes(), nil
}

// readTaskForm reads a form with a part for each file.
func readTaskForm(data []byte, boundary string) (task.Files, error) {
	files := task.Files{Splits: map[task.Split][]byte{}, Pictures: map[string][]byte{}}
	form := multipart.NewReader(bytes.NewReader(data), boundary)
	seen := map[string]bool{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return files, checkUpload(files)
		}
		if err != nil {
			return files, fault.Wrap(err, fault.Invalid, "the form can't be read")
		}
		name := part.FormName()
		text, err := io.ReadAll(part)
		if err != nil {
			return files, fault.Wrap(err, fault.Invalid, "the form can't be read")
		}
		if seen[name] {
			return files, fault.Bad(clip(name, 40), "the form has %q twice", clip(name, 40))
		}
		seen[name] = true
		switch task.Split(name) {
		case yamlField:
			files.YAML = text
		case task.Search, task.Validation, task.Test:
			files.Splits[task.Split(name)] = text
		default:
			if task.CheckPictureName(name) != nil {
				return files, fault.Bad(clip(name, 40), "unknown part %q: known are yaml, search, validation and test, and names of pictures", clip(name, 40))
			}
			files.Pictures[name] = text
		}
	}
}

func checkUpload(f task.Files) error {
	if strings.TrimSpace(string(f.YAML)) == "" {
		return fault.Bad(yamlField, "yaml is missing: the text of task.yaml")
	}
	return nil
}
