package task

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// drawn is a small picture of one colour.
func drawn(t *testing.T, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		m.Set(i%3, i/3, c)
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, m))
	return out.Bytes()
}

// gallery is a task whose problems show pictures.
func gallery(t *testing.T) Files {
	t.Helper()
	return Files{
		YAML: []byte("name: gallery\nmetric: exact_match\nsystem: Look.\nprompt: '{question}!'\n"),
		Splits: map[Split][]byte{
			Search: []byte(`{"id":"s1","question":"What colour","image":"red.png","answer":"red"}` + "\n" +
				`{"id":"s2","question":"Which differs","images":["red.png","pictures/blue.png"],"answer":"the second"}` + "\n" +
				`{"id":"s3","question":"How many eyes has a cat","answer":"two"}` + "\n"),
			Test: []byte(`{"id":"t1","question":"What colour","image":"pictures/blue.png","answer":"blue"}` + "\n"),
		},
		Pictures: map[string][]byte{
			"red.png":           drawn(t, color.RGBA{200, 0, 0, 255}),
			"pictures/blue.png": drawn(t, color.RGBA{0, 0, 200, 255}),
		},
	}
}

func TestProblemsShowPictures(t *testing.T) {
	files := gallery(t)
	x, err := Loader{}.Parse(files)
	require.NoError(t, err)
	problems := x.Problems(Search)
	names := func(p Problem) (all []string) {
		for _, shown := range x.Pictures(p) {
			require.Equal(t, files.Pictures[shown.Name], shown.Data)
			all = append(all, shown.Name)
		}
		return all
	}
	require.Equal(t, []string{"red.png"}, names(problems[0]))
	require.Equal(t, []string{"red.png", "pictures/blue.png"}, names(problems[1]))
	require.Empty(t, names(problems[2]))
	require.NotEqual(t, x.Pictures(problems[1])[0].Hash, x.Pictures(problems[1])[1].Hash)

	picture := chat.Part{Picture: true}
	system := chat.Message{Role: "system", Content: "Look."}
	require.Equal(t, []chat.Message{system, {Role: "user", Parts: []chat.Part{picture, {Text: "What colour!"}}}}, x.Messages(problems[0]))
	require.Equal(t, []chat.Message{system, {Role: "user", Parts: []chat.Part{picture, picture, {Text: "Which differs!"}}}}, x.Messages(problems[1]))
	require.Equal(t, []chat.Message{system, {Role: "user", Content: "How many eyes has a cat!"}}, x.Messages(problems[2]))

	found, there := x.Picture("pictures/blue.png")
	require.True(t, there)
	require.Equal(t, files.Pictures["pictures/blue.png"], found.Data)
	_, there = x.Picture("blue.png")
	require.False(t, there)
}

func TestPicturesLieInTheTasksFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gallery")
	files := gallery(t)
	require.NoError(t, files.Write(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unrelated.png"), []byte("nobody shows it"), 0o644))
	read, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, files, read)
	library := NewLibrary(filepath.Dir(dir), Loader{})
	first, err := library.Get(t.Context(), "gallery")
	require.NoError(t, err)
	parsed, err := Loader{}.Parse(files)
	require.NoError(t, err)
	require.Equal(t, parsed.Digest, first.Digest)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "pictures", "blue.png"), drawn(t, color.RGBA{0, 0, 99, 255}), 0o644))
	second, err := library.Get(t.Context(), "gallery")
	require.NoError(t, err)
	require.NotEqual(t, first.Digest, second.Digest, "another picture is another task")
}

func TestADigestKnowsWhichPictureIsWhich(t *testing.T) {
	files := gallery(t)
	x, err := Loader{}.Parse(files)
	require.NoError(t, err)
	swapped := gallery(t)
	swapped.Pictures["red.png"], swapped.Pictures["pictures/blue.png"] = files.Pictures["pictures/blue.png"], files.Pictures["red.png"]
	y, err := Loader{}.Parse(swapped)
	require.NoError(t, err)
	require.NotEqual(t, x.Digest, y.Digest)
}

func TestTheSameQuestionAboutTheSamePictureIsInOneSplitOnly(t *testing.T) {
	files := gallery(t)
	files.Pictures["again.png"] = files.Pictures["red.png"]
	files.Splits[Validation] = []byte(`{"id":"v1","question":"what COLOUR","image":"again.png","answer":"red"}`)
	_, err := Loader{}.Parse(files)
	require.ErrorContains(t, err, `validation.jsonl:1: problem "v1" asks what problem "s1" of the search split does (search.jsonl:1)`)

	files.Splits[Validation] = []byte(`{"id":"v1","question":"What shape","image":"again.png","answer":"a square"}`)
	_, err = Loader{}.Parse(files)
	require.NoError(t, err, "another question about it is another problem")
}

func TestWrongPicturesAreSaidWithTheirProblem(t *testing.T) {
	lines := func(line string) func(f *Files) {
		return func(f *Files) { f.Splits[Test] = []byte(line) }
	}
	for name, c := range map[string]struct {
		change      func(f *Files)
		param, want string
	}{
		"both keys":     {lines(`{"id":"t","question":"q","image":"red.png","images":["red.png"],"answer":"a"}`), "test", "test.jsonl:1: a problem has an image or images"},
		"none of these": {lines(`{"id":"t","question":"q","image":"green.png","answer":"a"}`), "test", "test.jsonl:1: there is no picture green.png"},
		"too many":      {lines(`{"id":"t","question":"q","images":["` + strings.Repeat(`red.png","`, maxShown) + `red.png"],"answer":"a"}`), "test", "17 images: at most 16"},
		"a path out":    {lines(`{"id":"t","question":"q","image":"../red.png","answer":"a"}`), "test", `"../red.png" is not the name of a picture`},
		"an absolute":   {lines(`{"id":"t","question":"q","image":"/red.png","answer":"a"}`), "test", "is not the name of a picture"},
		"too deep":      {lines(`{"id":"t","question":"q","image":"a/b/red.png","answer":"a"}`), "test", "is not the name of a picture"},
		"dots":          {lines(`{"id":"t","question":"q","image":"./red.png","answer":"a"}`), "test", "is not the name of a picture"},
		"hidden":        {lines(`{"id":"t","question":"q","image":".red.png","answer":"a"}`), "test", "is not the name of a picture"},
		"the task":      {lines(`{"id":"t","question":"q","image":"task.yaml","answer":"a"}`), "test", "is not the name of a picture"},
		"in a text":     {func(f *Files) { f.YAML = append(f.YAML, "format: text\n"...) }, "search", "search.jsonl:1: a task of the format text shows no pictures"},
		"shown nowhere": {func(f *Files) { f.Pictures["green.png"] = f.Pictures["red.png"] }, "pictures", "green.png: no problem shows it"},
		"no picture":    {func(f *Files) { f.Pictures["red.png"] = []byte("<svg/>") }, "pictures", "red.png: "},
		"no head":       {func(f *Files) { f.Pictures["red.png"] = f.Pictures["red.png"][:20] }, "pictures", "red.png: "},
		"a bomb":        {func(f *Files) { f.Pictures["red.png"] = bomb(f.Pictures["red.png"]) }, "pictures", "red.png: "},
		"too long": {func(f *Files) {
			f.Pictures["red.png"] = append(f.Pictures["red.png"], make([]byte, maxPictureBytes)...)
		}, "pictures", "red.png: longer than 20971520 bytes"},
		"a bad name": {func(f *Files) { f.Pictures["../x.png"] = f.Pictures["red.png"] }, "pictures", "is not the name of a picture"},
	} {
		t.Run(name, func(t *testing.T) {
			files := gallery(t)
			c.change(&files)
			_, err := Loader{}.Parse(files)
			require.ErrorContains(t, err, c.want)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, fault.Invalid, f.Code)
			require.Equal(t, c.param, f.Param)
		})
	}
}

// bomb is a PNG whose header promises more pixels than anybody wants to hold.
func bomb(png []byte) []byte {
	huge := bytes.Clone(png)
	copy(huge[16:24], []byte{0, 1, 0, 0, 0, 1, 0, 0})
	return huge
}

func TestTheLimitsOfATasksPicturesHold(t *testing.T) {
	files := gallery(t)
	many := maps.Clone(files.Pictures)
	for i := range maxPictures {
		many[fmt.Sprint(i, ".png")] = nil
	}
	_, err := parsePictures(many)
	require.ErrorContains(t, err, "at most 20000")
}

func TestOnlyRegularFilesBelowTheFolderAreRead(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(root, "outside.png")
	require.NoError(t, os.WriteFile(outside, drawn(t, color.White), 0o644))
	for name, put := range map[string]func(path string) error{
		"a link out":         func(path string) error { return os.Symlink(outside, path) },
		"a link":             func(path string) error { return os.Symlink("pictures/blue.png", path) },
		"a folder":           func(path string) error { return os.Mkdir(path, 0o755) },
		"longer than it may": func(path string) error { return os.WriteFile(path, make([]byte, maxPictureBytes+1), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "gallery")
			require.NoError(t, gallery(t).Write(dir))
			path := filepath.Join(dir, "red.png")
			require.NoError(t, os.Remove(path))
			require.NoError(t, put(path))
			_, err := Load(dir)
			require.Equal(t, fault.Damaged, fault.CodeOf(err))
			require.ErrorContains(t, err, "red.png")
		})
	}
}

func TestPicturesAreUploadedAndStay(t *testing.T) {
	x, err := Loader{}.Parse(gallery(t))
	require.NoError(t, err)
	packed, err := pack(gallery(t))
	require.NoError(t, err)
	files, err := unpack(packed)
	require.NoError(t, err)
	y, err := Loader{}.Parse(files)
	require.NoError(t, err)
	require.Equal(t, x.Digest, y.Digest)
}

func TestTheGateOfAnswers(t *testing.T) {
	files := Files{YAML: []byte("name: x\nmetric: exact_match\nlanguage: ja\ngate: answers\n"), Splits: map[Split][]byte{
		Test: []byte(`{"id":"1","question":"何色ですか","answer":"赤"}` + "\n" + `{"id":"2","question":"誰ですか","answer":"子供です"}`),
	}}
	lenient, err := Loader{}.Parse(files)
	require.NoError(t, err)
	files.YAML = bytes.Replace(files.YAML, []byte("gate: answers\n"), nil, 1)
	strict, err := Loader{}.Parse(files)
	require.NoError(t, err)
	problems := lenient.Problems(Test)
	require.True(t, scored(t, lenient, problems[0], "赤").Correct)
	require.False(t, scored(t, strict, problems[0], "赤").Correct, "it might be Chinese")
	require.True(t, scored(t, lenient, problems[1], "子供です").Correct)
	require.False(t, scored(t, lenient, problems[1], "a child").LanguageRight, "the answer is Japanese: the reply has to be")

	for yaml, want := range map[string]string{
		"name: x\nlanguage: ja\ngate: never\n": `task.yaml:3: gate: "never" is not one of`,
		"name: x\ngate: answers\n":             "task.yaml:2: gate: a task without a language",
	} {
		_, err := Loader{}.Parse(Files{YAML: []byte(yaml), Splits: files.Splits})
		require.ErrorContains(t, err, want)
	}
}
