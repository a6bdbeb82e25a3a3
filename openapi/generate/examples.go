package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// exampleFiles are bodies of requests, by operation: examples/OPERATION/NAME.json.
// The integration tests send each of them to a running server.
//
//go:embed examples
var exampleFiles embed.FS

// addExamples puts the bodies into the document.
func addExamples(document *openapi3.T) error {
	folders, err := exampleFiles.ReadDir("examples")
	if err != nil {
		return err
	}
	operations := map[string]*openapi3.Operation{}
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			operations[operation.OperationID] = operation
		}
	}
	for _, folder := range folders {
		operation := operations[folder.Name()]
		if operation == nil || operation.RequestBody == nil {
			return fmt.Errorf("examples/%s: there is no operation of that name with a body", folder.Name())
		}
		content := operation.RequestBody.Value.Content.Get("application/json")
		if content == nil {
			return fmt.Errorf("examples/%s: the operation takes no JSON", folder.Name())
		}
		if content.Examples, err = readExamples(path.Join("examples", folder.Name())); err != nil {
			return err
		}
	}
	return nil
}

// readExamples reads the bodies of one operation.
func readExamples(folder string) (openapi3.Examples, error) {
	files, err := exampleFiles.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	examples := openapi3.Examples{}
	for _, file := range files {
		text, err := exampleFiles.ReadFile(path.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		var body any
		if err := json.Unmarshal(text, &body); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", folder, file.Name(), err)
		}
		name := strings.TrimSuffix(file.Name(), path.Ext(file.Name()))
		examples[name] = &openapi3.ExampleRef{Value: openapi3.NewExample(body)}
	}
	return examples, nil
}
