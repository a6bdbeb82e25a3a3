package formats

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// shown is what a problem asks, expects, and shows: the colour and the width of its
// picture.
type shown struct{ id, question, answer, picture string }

// seen reads a task's problems with their pictures.
func seen(t *testing.T, x *task.Task, split task.Split) []shown {
	t.Helper()
	var all []shown
	for _, p := range x.Problems(split) {
		pictures := x.Pictures(p)
		require.Len(t, pictures, 1)
		require.Regexp(t, `^pictures/[0-9a-f]{16}\.png$`, pictures[0].Name)
		m, err := png.Decode(bytes.NewReader(pictures[0].Data))
		require.NoError(t, err)
		r, g, b, _ := m.At(0, 0).RGBA()
		all = append(all, shown{p.ID, p.Question, p.Answer, fmt.Sprint(r>>8, g>>8, b>>8, m.Bounds().Dx())})
	}
	return all
}

// dot is a small picture of one colour.
func dot(t *testing.T, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 2, 1))
	m.Set(0, 0, c)
	m.Set(1, 0, c)
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, m))
	return out.Bytes()
}

func parquetFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".parquet")
	require.NoError(t, err)
	return string(data)
}

func TestPublishedFormatsOfPictures(t *testing.T) {
	beside := fstest.MapFS{
		"images/red.png": &fstest.MapFile{Data: dot(t, color.RGBA{200, 0, 0, 255})},
		"blue.png":       &fstest.MapFile{Data: dot(t, color.RGBA{0, 0, 200, 255})},
	}
	for name, c := range map[string]struct {
		format, file string
		want         []shown
		pictures     int
		about, says  string
	}{
		"JA-VG-VQA-500": {"ja-vg-vqa", parquetFile(t, "ja-vg-vqa"), []shown{
			{"901", "旗は何色ですか？", "赤", "220 30 30 3"},
			{"17", "空は何色ですか？", "青いです", "30 30 220 3"},
			{"40", "何が見えますか？", "草", "30 160 60 5"},
		}, 3, "JA-VG-VQA-500", "ja"},
		"JA-VLM-Bench-In-the-Wild": {"ja-vlm-bench", parquetFile(t, "ja-vlm-bench"), []shown{
			{"0", "この旗は何を表していますか？", "危険を表す旗です。", "220 30 30 3"},
			{"1", "旗の色を教えてください。", "赤い旗です。", "220 30 30 3"},
			{"2", "これは何ですか？", "緑の草原です。", "30 160 60 5"},
		}, 2, "JA-VLM-Bench", "ja"},
		"JSON Lines": {"vqa", `{"question_id": 3, "image": "images/red.png", "text": "Which colour?", "answer": "red"}
{"id": "b", "image": "./blue.png", "question": "And this?", "answers": ["blue", "dark blue"], "category": "x"}`, []shown{
			{"3", "Which colour?", "red", "200 0 0 2"},
			{"b", "And this?", "blue", "0 0 200 2"},
		}, 2, "pictures", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := Import(c.format, "imported", task.Test, []byte(c.file), beside)
			require.NoError(t, err)
			require.Len(t, files.Pictures, c.pictures, "a picture that is shown twice is there once")
			made, err := task.Loader{}.Parse(files)
			require.NoError(t, err, "%s", files.YAML)
			require.Equal(t, c.want, seen(t, made, task.Test))
			require.Contains(t, made.Description, c.about)
			require.Equal(t, c.says, made.Language)
			require.Equal(t, "rougeL", made.Metric)
			require.Equal(t, task.Decoding{MaxTokens: 512, Beams: 5, LengthPenalty: 1, RepetitionPenalty: 1.5}, made.Decoding, "the paper's")
			require.NotEmpty(t, About(c.format))
		})
	}
}

func TestAWordOfKanjiIsRightWhereTheAnswerIsOne(t *testing.T) {
	files, err := Import("ja-vg-vqa", "imported", task.Test, []byte(parquetFile(t, "ja-vg-vqa")), nil)
	require.NoError(t, err)
	made, err := task.Loader{}.Parse(files)
	require.NoError(t, err)
	for i, c := range []struct {
		reply string
		right bool
	}{{"赤", true}, {"blue", false}, {"草", true}} {
		o, err := made.Score(t.Context(), made.Problems(task.Test)[i], task.Reply{Text: c.reply})
		require.NoError(t, err)
		require.Equal(t, c.right, o.Correct, c.reply)
		require.Equal(t, c.right, o.LanguageRight, c.reply)
	}
}

func TestFilesOfPicturesThatAreWrong(t *testing.T) {
	whole := parquetFile(t, "ja-vg-vqa")
	beside := fstest.MapFS{"text.png": &fstest.MapFile{Data: []byte("no picture")}, "empty.png": &fstest.MapFile{}}
	for name, c := range map[string]struct {
		format, file string
		beside       fs.FS
		want         string
	}{
		"no Parquet":            {"ja-vg-vqa", "[]", nil, "not JA-VG-VQA-500's Parquet"},
		"cut off":               {"ja-vg-vqa", whole[:len(whole)/2], nil, "not JA-VG-VQA-500's Parquet"},
		"garbage inside":        {"ja-vg-vqa", whole[:600] + strings.Repeat("\xff", 900) + whole[1500:], nil, "not JA-VG-VQA-500's Parquet"},
		"the other set":         {"ja-vg-vqa", parquetFile(t, "ja-vlm-bench"), nil, "no column qas.question among"},
		"no questions":          {"ja-vlm-bench", parquetFile(t, "no-questions"), nil, "no column question among"},
		"a picture of nothing":  {"ja-vlm-bench", parquetFile(t, "no-picture"), nil, "row 1: the picture has no bytes"},
		"a list of nothing":     {"ja-vg-vqa", parquetFile(t, "no-answer"), nil, "row 1: "},
		"nothing beside":        {"vqa", `{"image": "a.png", "question": "q", "answer": "a"}`, nil, "not below the file's folder"},
		"a path out":            {"vqa", `{"image": "../a.png", "question": "q", "answer": "a"}`, beside, "not below the file's folder"},
		"an absolute path":      {"vqa", `{"image": "/etc/passwd", "question": "q", "answer": "a"}`, beside, "not below the file's folder"},
		"a file that is absent": {"vqa", `{"image": "a.png", "question": "q", "answer": "a"}`, beside, "a.png"},
		"a text":                {"vqa", `{"image": "text.png", "question": "q", "answer": "a"}`, beside, "line 1: the picture is not PNG"},
		"an empty file":         {"vqa", `{"image": "empty.png", "question": "q", "answer": "a"}`, beside, "no bytes"},
		"no image":              {"vqa", `{"question": "q", "answer": "a"}`, beside, `"image" is missing`},
		"no answer":             {"vqa", `{"image": "text.png", "question": "q"}`, beside, "question or answers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Import(c.format, "x", task.Test, []byte(c.file), c.beside)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}
