package main

import (
	"testing"

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
