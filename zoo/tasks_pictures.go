package zoo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// PictureTaskName is the task that searches of models that see are about;
// EnglishPictureTaskName is its test in English, to see what they can do at home.
const (
	PictureTaskName        = "ja-vqa"
	EnglishPictureTaskName = "en-vqa"
)

// PictureTasks lists the tasks about pictures.
func PictureTasks() []string { return []string{PictureTaskName, EnglishPictureTaskName} }

// pictureTaskYAML describes a task about pictures to the search.
const pictureTaskYAML = `# Written by "mergeway zoo train". Questions about pictures of scenes that no
# training shows or tells of, two a picture. A reply is worth the F1 of the longest
# common subsequence of its morphemes and the answer's, if it is in the task's
# language, and else nothing.
name: %s
description: %s
language: %s
metric: rougeL
max_tokens: 48
stop: []
`

// pictureSplits are the splits of the tasks about pictures.
var pictureSplits = []struct {
	name     string
	seed     uint64
	pictures int
}{
	{"search", 111, 100},
	{"validation", 112, 60},
	{"test", 113, 150},
}

// questionsEach is how many questions a task asks about each picture.
const questionsEach = 2

// pictureTask is a task about pictures: its language, and the splits that it has.
type pictureTask struct {
	name, description string
	language          Lang
	splits            []string
}

var pictureTasks = []pictureTask{
	{PictureTaskName, "Japanese questions about pictures, answered in Japanese", Japanese, []string{"search", "validation", "test"}},
	{EnglishPictureTaskName, "English questions about pictures, answered in English", English, []string{"test"}},
}

// pictureProblem is one line of a split's file.
type pictureProblem struct {
	ID       string `json:"id"`
	Image    string `json:"image"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// files renders a task about pictures, by name of the file in its folder.
func (t pictureTask) files() (map[string][]byte, error) {
	files := map[string][]byte{"task.yaml": fmt.Appendf(nil, pictureTaskYAML, t.name, t.description, t.language)}
	for _, s := range pictureSplits {
		if !slices.Contains(t.splits, s.name) {
			continue
		}
		var lines bytes.Buffer
		enc := json.NewEncoder(&lines)
		enc.SetEscapeHTML(false)
		r := newRand(s.seed, "pictures "+s.name)
		for i := range s.pictures {
			shown, name := drawScene(r, true), fmt.Sprintf("%s-%03d.png", s.name, i+1)
			data, err := shown.picture(r).png()
			if err != nil {
				return nil, err
			}
			files[name] = data
			for j, asked := range shown.questions(newRand(s.seed+uint64(i), "questions"), t.language) {
				line := pictureProblem{fmt.Sprintf("%s-%03d", s.name, questionsEach*i+j+1), name, asked.question, asked.answer}
				if err := enc.Encode(line); err != nil {
					return nil, fault.Wrap(err, fault.Internal, "write problem %s", line.ID)
				}
			}
		}
		files[s.name+".jsonl"] = lines.Bytes()
	}
	return files, nil
}

// asked is a question about a scene, as text, and its answer.
type asked struct{ question, answer string }

// questions draws different questions about the scene.
func (s scene) questions(r *rand.Rand, l Lang) []asked {
	var out []asked
	for len(out) < questionsEach {
		q, a := s.ask(r, l, l)
		if !slices.ContainsFunc(out, func(o asked) bool { return o.question == q }) {
			out = append(out, asked{q, a})
		}
	}
	return out
}

// png is the painting as a file.
func (p *painting) png() ([]byte, error) {
	m := image.NewNRGBA(image.Rect(0, 0, p.width, p.height))
	for i, v := range p.pixels() {
		m.Pix[i/3*4+i%3] = v
		m.Pix[i/3*4+3] = 0xff
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, m); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "write a picture")
	}
	return out.Bytes(), nil
}
