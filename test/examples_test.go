package test

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/openapi"
)

// Every body that the API's document shows as an example is answered.
func TestExamplesOfTheDocumentWork(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	require.NoError(t, err)
	s := start(t, options{args: []string{"--api-keys", "root", "--exports", t.TempDir()}}).as("root")
	for _, target := range []string{base, sources[0]} { // a past that can be rolled back to
		s.call("PUT", "/v1/aliases/example", object{"target": target})
	}
	recipe := s.call("POST", "/v1/recipes", average("average")).text("id")
	names := map[string]string{"POST /v1/aliases/{name}": "example/rollback"}
	sent := 0
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil || strings.HasPrefix(path, "/v1/searches") {
				continue
			}
			content := operation.RequestBody.Value.Content.Get("application/json")
			require.NotNil(t, content, "%s %s", method, path)
			require.NotEmpty(t, content.Examples, "%s %s has a body and no example", method, path)
			for name, example := range content.Examples {
				t.Run(operation.OperationID+"/"+name, func(t *testing.T) {
					body, err := json.Marshal(example.Value.Value)
					require.NoError(t, err)
					require.NoError(t, content.Schema.Value.VisitJSON(example.Value.Value), "the schema does not allow it")
					name := cmp.Or(names[method+" "+path], "example")
					r := s.send(method, strings.NewReplacer("{name}", name, "{id}", recipe).Replace(path), string(body))
					require.Less(t, r.status, 300, "%s", r.body)
				})
				sent++
			}
		}
	}
	require.Greater(t, sent, 10)

	examples := func(path string) openapi3.Examples {
		return document.Paths.Find(path).Post.RequestBody.Value.Content.Get("application/json").Examples
	}
	for _, example := range examples("/v1/searches") {
		search := s.call("POST", "/v1/searches", example.Value.Value).text("id")
		s.wait("a trial", time.Minute, func() bool { return len(s.trials(search)) > 0 })
		for _, act := range []string{"clone", "promote"} {
			for _, example := range examples("/v1/searches/{id}/" + act) {
				made := s.call("POST", "/v1/searches/"+search+"/"+act, example.Value.Value)
				if act == "clone" {
					s.call("POST", "/v1/searches/"+made.text("id")+"/cancel", nil)
				}
			}
		}
		s.call("POST", "/v1/searches/"+search+"/cancel", nil)
	}
}
