package main

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/openapi"
)

// root is the repository, seen from this package.
const root = "../.."

func TestTheCommittedDocumentIsTheGeneratedOne(t *testing.T) {
	first, err := generate(root)
	require.NoError(t, err)
	second, err := generate(root)
	require.NoError(t, err)
	require.Equal(t, string(first), string(second), "the same sources give the same bytes")
	require.Equal(t, string(first), string(openapi.Document()), "stale: run scripts/openapi and commit openapi/openapi.json")
}

func TestOperationID(t *testing.T) {
	require.Equal(t, "get_v1_models_model", operationID("GET", "/v1/models/{model}"))
	require.Equal(t, "get", operationID("GET", "/"))
	require.Equal(t, "get_openapi_json", operationID("GET", "/openapi.json"))
}

// Whoever reads the document gets to know what every field is.
func TestEveryFieldIsDescribed(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	require.NoError(t, err)
	for name, schema := range document.Components.Schemas {
		for field, property := range schema.Value.Properties {
			require.True(t, described(property), "%s.%s needs a comment", name, field)
		}
	}
}

func TestAFieldMayHaveSeveralTypes(t *testing.T) {
	document := &openapi3.T{Components: &openapi3.Components{Schemas: openapi3.Schemas{"gateway.Part": openapi3.NewObjectSchema().NewRef()}}}
	field := openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema())
	field.Extensions = map[string]any{unionKey: "string|=auto|[][]integer|[]gateway.Part|null"}
	require.NoError(t, widen(document, field))
	text, err := field.MarshalJSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"nullable": true, "oneOf": [
		{"type": "string"}, {"type": "string", "enum": ["auto"]},
		{"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
		{"type": "array", "items": {"$ref": "#/components/schemas/gateway.Part"}}
	]}`, string(text))
	field.Extensions = map[string]any{unionKey: "string|gateway.Nothing"}
	require.ErrorContains(t, widen(document, field), "gateway.Nothing")
}
