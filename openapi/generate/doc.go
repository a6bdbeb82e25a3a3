// Command generate writes openapi/openapi.json. swag reads the comments on the
// gateway's handlers and the types that they name, and gives Swagger 2.0;
// kin-openapi turns that into OpenAPI 3 and checks it. The same sources give
// the same bytes, so the package's test can tell whether the file is stale.
package main
