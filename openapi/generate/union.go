package main

import (
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// unionKey is the extension by which a field says that it has one of several
// types, which Swagger 2.0 has no words for: extensions:"x-union=string|[]integer|null".
const unionKey = "x-union"

// widen gives a property with a union its alternatives.
func widen(document *openapi3.T, property *openapi3.Schema) error {
	text, ok := property.Extensions[unionKey].(string)
	if !ok {
		return nil
	}
	delete(property.Extensions, unionKey)
	var alternatives openapi3.SchemaRefs
	for name := range strings.SplitSeq(text, "|") {
		if name == "null" {
			property.Nullable = true
			continue
		}
		alternative, err := typeNamed(document, name)
		if err != nil {
			return fmt.Errorf("%s %q: %w", unionKey, text, err)
		}
		alternatives = append(alternatives, alternative)
	}
	property.Type, property.Items, property.Format = nil, nil, ""
	property.OneOf = alternatives
	return nil
}

// typeNamed is a schema by its name: "string", "[]integer" (a list), "=auto" (that
// word) or that of one of the document's own, such as "gateway.ContentPart".
func typeNamed(document *openapi3.T, name string) (*openapi3.SchemaRef, error) {
	if inner, list := strings.CutPrefix(name, "[]"); list {
		items, err := typeNamed(document, inner)
		if err != nil {
			return nil, err
		}
		schema := openapi3.NewArraySchema()
		schema.Items = items
		return schema.NewRef(), nil
	}
	if word, constant := strings.CutPrefix(name, "="); constant {
		return openapi3.NewStringSchema().WithEnum(word).NewRef(), nil
	}
	switch name {
	case "string":
		return openapi3.NewStringSchema().NewRef(), nil
	case "integer":
		return openapi3.NewIntegerSchema().NewRef(), nil
	case "number":
		return openapi3.NewFloat64Schema().NewRef(), nil
	case "boolean":
		return openapi3.NewBoolSchema().NewRef(), nil
	case "object":
		return openapi3.NewObjectSchema().NewRef(), nil
	}
	known := document.Components.Schemas[name]
	if known == nil {
		return nil, fmt.Errorf("there is no type %q", name)
	}
	return openapi3.NewSchemaRef("#/components/schemas/"+name, known.Value), nil
}
