package gateway

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/openapi"
)

// envelope is where the document describes the body of a path's errors.
func envelope(path string) string {
	if strings.HasPrefix(path, messagesPath) {
		return "#/components/schemas/gateway.MessageError"
	}
	return "#/components/schemas/gateway.ErrorReply"
}

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document()) // follows every reference
	require.NoError(t, err)
	return document
}

// openPaths are what is answered without a key.
var openPaths = map[string]bool{"/": true, "/docs": true, "/assets/{file}": true, "/openapi.json": true, "/healthz": true, "/readyz": true}

func TestTheDocumentIsValid(t *testing.T) {
	document := loadDocument(t)
	require.NoError(t, document.Validate(t.Context()))
	ids := map[string]bool{}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			at := method + " " + path
			require.NotEmpty(t, operation.Summary, at)
			require.NotEmpty(t, operation.OperationID, at)
			require.False(t, ids[operation.OperationID], "%s twice", operation.OperationID)
			ids[operation.OperationID] = true
			require.Len(t, operation.Tags, 1, at)
			require.NotNil(t, document.Tags.Get(operation.Tags[0]), "%s: the reference lists operations by known tags", at)
			require.Equal(t, !openPaths[path], operation.Security != nil, "%s: only pages and health need no key", at)
			checkResponses(t, at, envelope(path), operation.Responses)
		}
	}
}

// checkResponses wants a success, and the envelope for everything else.
func checkResponses(t *testing.T, at, envelope string, responses *openapi3.Responses) {
	t.Helper()
	success := false
	for status, response := range responses.Map() {
		require.NotEmpty(t, *response.Value.Description, "%s %s", at, status)
		if strings.HasPrefix(status, "2") {
			success = true
			continue
		}
		content := response.Value.Content
		require.Len(t, content, 1, "%s %s", at, status)
		require.NotNil(t, content.Get("application/json"), "%s %s", at, status)
		require.Equal(t, envelope, content.Get("application/json").Schema.Ref, "%s %s", at, status)
	}
	require.True(t, success, at)
	require.NotNil(t, responses.Value("default"), "%s: any request can fail", at)
}

// parameter is Gin's way to write one: ":id" or "*name".
var parameter = regexp.MustCompile(`[:*](\w+)`)

func TestTheDocumentHasTheRoutesOfTheRouter(t *testing.T) {
	var served, documented []string
	for _, r := range newBench(t).gateway.router.Routes() {
		served = append(served, r.Method+" "+parameter.ReplaceAllString(r.Path, "{$1}"))
	}
	// What follows a name that may hold slashes is no route of the router's.
	below := map[string]string{"/v1/models/{model}/card": "/v1/models/{model}"}
	// Nor is what can be done to it, where the name alone can't be posted to.
	action := map[string]string{"/v1/recipes/{id}/export": "/v1/recipes/{id}"}
	for path, item := range loadDocument(t).Paths.Map() {
		for method := range item.Operations() {
			path := cmp.Or(action[path], path)
			if parent, ok := below[path]; ok {
				require.Contains(t, served, method+" "+parent)
				delete(below, path)
				continue
			}
			documented = append(documented, method+" "+path)
		}
	}
	require.Empty(t, below)
	slices.Sort(served)
	slices.Sort(documented)
	require.Equal(t, served, documented)
}

func TestTheDocumentIsServed(t *testing.T) {
	r := newBench(t).send("GET", "/openapi.json", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, string(openapi.Document()), r.body)
}
