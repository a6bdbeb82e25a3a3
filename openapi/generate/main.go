package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/swaggo/swag"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT   (the root of the repository)")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write generates the document of the repository at root, into that repository.
func write(root string) error {
	document, err := generate(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "openapi", "openapi.json"), document, 0o644)
}

// rooms are the packages whose types appear on the wire.
var rooms = []string{"gateway", "merge", "search"}

// generate gives the document of the repository at root.
func generate(root string) ([]byte, error) {
	parser := swag.New(swag.SetDebugger(log.New(io.Discard, "", 0)), swag.SetStrict(true))
	parser.ParseDependency = swag.ParseNone
	dirs := make([]string, len(rooms))
	for i, r := range rooms {
		dirs[i] = filepath.Join(root, r)
	}
	if err := parser.ParseAPIMultiSearchDir(dirs, "doc.go", 0); err != nil {
		return nil, fmt.Errorf("reading the handlers' comments: %w", err)
	}
	swagger, err := json.Marshal(parser.GetSwagger())
	if err != nil {
		return nil, fmt.Errorf("encoding Swagger 2.0: %w", err)
	}
	return convert(swagger)
}

// convert turns Swagger 2.0 into OpenAPI 3, checks it and lays it out.
func convert(swagger []byte) ([]byte, error) {
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, fmt.Errorf("reading Swagger 2.0: %w", err)
	}
	document, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, fmt.Errorf("converting to OpenAPI 3: %w", err)
	}
	if err := polish(document); err != nil {
		return nil, err
	}
	if err := document.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("the document is not valid: %w", err)
	}
	compact, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding OpenAPI 3: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "\t"); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// polish says in OpenAPI 3 what Swagger 2.0 has no words for.
func polish(document *openapi3.T) error {
	document.Servers = openapi3.Servers{{URL: "/"}}
	if scheme := document.Components.SecuritySchemes["BearerAuth"]; scheme != nil {
		scheme.Value.Type, scheme.Value.Scheme, scheme.Value.Name, scheme.Value.In = "http", "bearer", "", ""
	}
	// Types of other rooms know nothing of requests: what has no default there.
	document.Components.Schemas["search.Spec"].Value.Required = []string{"task", "base", "sources"}
	for _, list := range []string{"token_logprobs", "top_logprobs"} { // nothing precedes a prompt's first token
		document.Components.Schemas["gateway.CompletionLogprobs"].Value.Properties[list].Value.Items.Value.Nullable = true
	}
	for _, schema := range document.Components.Schemas {
		describe(schema.Value)
		for _, property := range schema.Value.Properties {
			v := property.Value
			if v == nil {
				continue
			}
			if nullable, _ := v.Extensions["x-nullable"].(bool); nullable {
				v.Nullable = true
				delete(v.Extensions, "x-nullable")
			}
			if err := widen(document, v); err != nil {
				return err
			}
		}
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			operation.OperationID = operationID(method, path)
			if operation.RequestBody != nil {
				operation.RequestBody.Value.Extensions = nil // swagger 2.0's name of the body
			}
			for status, response := range operation.Responses.Map() {
				if strings.HasPrefix(status, "4") || strings.HasPrefix(status, "5") {
					response.Value.Content = failure(document, path)
				} else if stream := response.Value.Content["text/event-stream"]; stream != nil {
					stream.Schema = openapi3.NewStringSchema().NewRef()
				}
			}
			addRefusals(document, operation, method, path)
			// A timeout, our own fault: any operation can fail so.
			other := openapi3.NewResponse().WithDescription("any other failure").WithContent(failure(document, path))
			operation.Responses.Set("default", &openapi3.ResponseRef{Value: other})
		}
	}
	return addExamples(document)
}

// failure is the content of every reply that isn't a success: the envelope, as
// JSON, whatever a success is. Anthropic's API has one of its own.
func failure(document *openapi3.T, path string) openapi3.Content {
	name := "gateway.ErrorReply"
	if strings.HasPrefix(path, "/v1/messages") {
		name = "gateway.MessageError"
	}
	return openapi3.NewContentWithJSONSchemaRef(openapi3.NewSchemaRef("#/components/schemas/"+name, document.Components.Schemas[name].Value))
}

// operationID names an operation for client generators: get_v1_models_model.
func operationID(method, path string) string {
	words := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}.", r) })
	return strings.Join(append([]string{strings.ToLower(method)}, words...), "_")
}
