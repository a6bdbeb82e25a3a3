package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

// dot is a small picture of one colour.
func dot(t *testing.T, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 1, 1))
	m.Set(0, 0, c)
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, m))
	return out.Bytes()
}

const (
	galleryYAML = "name: gallery\nmetric: exact_match\nsystem: Look.\n"
	galleryLine = `{"id":"1","question":"What colour?","image":"red.png","answer":"red"}` + "\n" +
		`{"id":"2","question":"Which differs?","images":["red.png","pictures/blue.png"],"answer":"the second"}`
)

// gallery is the body of a task of pictures.
func gallery(t *testing.T, yaml string, pictures map[string][]byte) string {
	t.Helper()
	encoded := map[string]string{}
	for name, data := range pictures {
		encoded[name] = base64.StdEncoding.EncodeToString(data)
	}
	body, err := json.Marshal(map[string]any{"yaml": yaml, "test": galleryLine, "pictures": encoded})
	require.NoError(t, err)
	return string(body)
}

func TestATaskOfPicturesIsUploadedPreviewedAndShown(t *testing.T) {
	b := newTaskBench(t)
	pictures := map[string][]byte{"red.png": dot(t, color.RGBA{255, 0, 0, 255}), "pictures/blue.png": dot(t, color.RGBA{0, 0, 255, 255})}
	r := b.send("POST", "/v1/tasks", gallery(t, galleryYAML, pictures))
	require.Equal(t, http.StatusCreated, r.status, r.body)
	var made, again Task
	r.into(t, &made)

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	require.NoError(t, w.WriteField("yaml", galleryYAML))
	require.NoError(t, w.WriteField("test", galleryLine))
	for name, data := range pictures {
		part, err := w.CreateFormFile(name, "upload.bin")
		require.NoError(t, err)
		_, err = part.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	r = b.send("POST", "/v1/tasks", form.String(), header("Content-Type", w.FormDataContentType()))
	require.Equal(t, http.StatusOK, r.status, "the same again changes nothing: %s", r.body)
	r.into(t, &again)
	require.Equal(t, made, again)

	var preview TaskPreview
	b.send("GET", "/v1/tasks/gallery/preview", "").into(t, &preview)
	look := task.Turn{Role: "system", Content: "Look."}
	require.Equal(t, []PreviewedProblem{
		{ID: "1", Answers: []string{"red"}, Images: []string{"/v1/tasks/gallery/pictures/red.png"}, Messages: []task.Turn{look, {Role: "user", Content: "What colour?"}}},
		{ID: "2", Answers: []string{"the second"}, Images: []string{"/v1/tasks/gallery/pictures/red.png", "/v1/tasks/gallery/pictures/pictures/blue.png"},
			Messages: []task.Turn{look, {Role: "user", Content: "Which differs?"}}},
	}, preview.Data)
	b.send("GET", "/v1/tasks/gallery/preview?model=base", "").requireError(t, 400, "invalid", "messages")

	shown := b.send("GET", preview.Data[1].Images[1], "")
	require.Equal(t, http.StatusOK, shown.status)
	require.Equal(t, string(pictures["pictures/blue.png"]), shown.body)
	require.Equal(t, "image/png", shown.header.Get("Content-Type"))
	require.Equal(t, "nosniff", shown.header.Get("X-Content-Type-Options"))
	for _, path := range []string{"gallery/pictures/blue.png", "gallery/pictures/", "gallery/pictures/../red.png", "gallery/pictures/task.yaml", "none/pictures/red.png"} {
		b.send("GET", "/v1/tasks/"+path, "").requireError(t, 404, "not_found", "")
	}
}

func TestUploadsOfPicturesThatAreWrong(t *testing.T) {
	b := newTaskBench(t, func(o *Options) { o.Limits.TaskBytes = 4000 })
	red, blue := dot(t, color.RGBA{255, 0, 0, 255}), dot(t, color.RGBA{0, 0, 255, 255})
	both := map[string][]byte{"red.png": red, "pictures/blue.png": blue}
	for name, c := range map[string]struct {
		body        string
		status      int
		code, param string
	}{
		"one is missing":   {gallery(t, galleryYAML, map[string][]byte{"red.png": red}), 400, "invalid", "test"},
		"one too many":     {gallery(t, galleryYAML, map[string][]byte{"red.png": red, "pictures/blue.png": blue, "green.png": red}), 400, "invalid", "pictures"},
		"no picture":       {gallery(t, galleryYAML, map[string][]byte{"red.png": red, "pictures/blue.png": []byte("<svg/>")}), 400, "invalid", "pictures"},
		"a path out":       {gallery(t, galleryYAML, map[string][]byte{"../red.png": red}), 400, "invalid", "pictures"},
		"no base64":        {`{"yaml": "name: x", "test": "", "pictures": {"red.png": "*"}}`, 400, "invalid", "pictures.red.png"},
		"not even a text":  {`{"yaml": "name: x", "test": "", "pictures": {"red.png": 5}}`, 400, "invalid", "pictures"},
		"text with one":    {gallery(t, galleryYAML+"format: text\n", both), 400, "invalid", "test"},
		"more than it may": {gallery(t, galleryYAML, map[string][]byte{"red.png": append(red, make([]byte, 4000)...)}), 413, "too_large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b.send("POST", "/v1/tasks", c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	part := "--b\r\nContent-Disposition: form-data; name=\"red.png\"\r\n\r\nx\r\n"
	for name, c := range map[string]struct{ body, param string }{
		"a picture twice": {part + part + "--b--\r\n", "red.png"},
		"a path out":      {strings.Replace(part, "red.png", "../red.png", 1) + "--b--\r\n", "../red.png"},
	} {
		t.Run("form: "+name, func(t *testing.T) {
			b.send("POST", "/v1/tasks", c.body, header("Content-Type", "multipart/form-data; boundary=b")).requireError(t, 400, "invalid", c.param)
		})
	}
}
