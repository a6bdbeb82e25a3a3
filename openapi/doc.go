// Package openapi is the API's document: OpenAPI 3, generated from the comments
// on the gateway's handlers and embedded in the binary. Its one idea: the
// document is made from the code, so a test can prove that it is not stale.
//
// scripts/openapi writes openapi.json anew; package openapi/generate is what it
// runs.
package openapi
