package formats

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/mergeway/mergeway/search/task"
)

// file is what a task of pictures is made of.
type file struct {
	data   []byte
	beside fs.FS             // what lies in the file's folder; nil: nothing
	found  map[string][]byte // the pictures, by the names that they get in the task
}

// show keeps a picture and gives it a name: that of its content, so that questions
// about the same picture share it, and so do splits.
func (f *file) show(data []byte) (string, error) {
	if len(data) == 0 {
		return "", errors.New("the picture has no bytes")
	}
	kind := task.PictureKind(data)
	if kind == "" {
		return "", errors.New("the picture is not PNG, JPEG, WebP or GIF")
	}
	sum := sha256.Sum256(data)
	name := fmt.Sprintf("pictures/%x.%s", sum[:8], kind)
	f.found[name] = data
	return name, nil
}

// read keeps a picture that lies beside the file.
func (f *file) read(name string) (string, error) {
	if f.beside == nil || !fs.ValidPath(path.Clean(name)) {
		return "", fmt.Errorf("the picture %.80q is not below the file's folder", name)
	}
	data, err := fs.ReadFile(f.beside, path.Clean(name))
	if err != nil {
		return "", err
	}
	return f.show(data)
}

// vqa is JSON Lines of questions about pictures that are files beside it.
func vqa() format {
	type row struct {
		ID         json.RawMessage `json:"id"`
		QuestionID json.RawMessage `json:"question_id"`
		Image      string          `json:"image"`
		Question   string          `json:"question"`
		Text       string          `json:"text"`
		Context    string          `json:"context"`
		Answer     string          `json:"answer"`
		Answers    []string        `json:"answers"`
	}
	return format{
		about: `JSONL: {"id" or "question_id", "image" (a file beside it), "question" or "text", "answer" or "answers"}`,
		pictured: func(f *file) ([]task.Problem, error) {
			return readLines(f.data, func(n int, r row) (task.Problem, error) {
				if r.Question == "" {
					r.Question = r.Text
				}
				if r.Image == "" {
					return task.Problem{}, missing("image")
				}
				if r.ID == nil {
					r.ID = r.QuestionID
				}
				p, err := accept(identified(r.ID, n), r.Question, r.Context, append([]string{r.Answer}, r.Answers...))
				if err == nil {
					p.Image, err = f.read(r.Image)
				}
				return p, err
			})
		},
		describe: asPicture("Questions about pictures"),
	}
}

// asPicture describes a task of questions about pictures, as the paper scores them:
// five beams, a repetition penalty, ROUGE-L of Japanese morphemes. A reply has to be
// Japanese where the answer is.
func asPicture(about string) func([]task.Problem) description {
	return func(problems []task.Problem) description {
		d := description{Description: about, Metric: "rougeL", MaxTokens: 512, Beams: 5, RepetitionPenalty: 1.5}
		if isJapanese(problems[0].Question) {
			d.Language, d.Gate, d.System = "ja", string(task.GateAnswers), "画像を見て、質問に日本語で答えてください。"
		}
		if problems[0].Context != "" {
			d.Prompt = prompt("{context}\n\n{question}")
		}
		return d
	}
}
