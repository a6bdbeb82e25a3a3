package openapi

import _ "embed"

//go:embed openapi.json
var document []byte

// Document is the OpenAPI document of the gateway, as JSON. Do not change it.
func Document() []byte { return document }
