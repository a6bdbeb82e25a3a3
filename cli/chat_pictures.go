package cli

import (
	"encoding/base64"
	"fmt"
	"os"
)

// maxPictureFile bounds a file before it is read: servers take no larger ones.
const maxPictureFile = 64 << 20

// readPictures reads the files of pictures as data URIs. What they are, the server
// tells from their bytes.
func readPictures(files []string) ([]string, error) {
	var all []string
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("--image: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxPictureFile {
			return nil, fmt.Errorf("--image: %s is no file, or has more than %d bytes", name, maxPictureFile)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--image: %w", err)
		}
		all = append(all, "data:;base64,"+base64.StdEncoding.EncodeToString(data))
	}
	return all, nil
}

// ask is a question about pictures, if there are any.
func ask(question string, shown []string) turn {
	if len(shown) == 0 {
		return turn{"user", question}
	}
	var parts []map[string]any
	for _, uri := range shown {
		parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]string{"url": uri}})
	}
	return turn{"user", append(parts, map[string]any{"type": "text", "text": question})}
}
