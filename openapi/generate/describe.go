package main

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// usual says what fields are that mean the same wherever they are: they need no
// comment at each place.
var usual = map[string]string{
	"object":     "the kind of this object",
	"id":         "names it, for good",
	"name":       "what it is called",
	"created":    "when it was made, in seconds since 1970",
	"updated":    "when it was last changed, in seconds since 1970",
	"data":       "the entries",
	"index":      "which one of several it is, from 0",
	"deleted":    "that it is gone",
	"model":      "the model, as it was asked for",
	"created_at": "when it was made",
	"role":       "who speaks",
	"at":         "when it happened",
	"target":     "what the alias stands for",
	"scopes":     "what the key may do",
	"status":     "how it stands",
	"messages":   "the conversation",
	"choices":    "the replies",
	"code":       "the reason, for programs",
	"message":    "the reason, for people",

	"finish_reason":     "why it ended; null before that",
	"prompt_tokens":     "tokens that the model saw",
	"completion_tokens": "tokens that the model made",
	"input_tokens":      "tokens that the model saw",
	"output_tokens":     "tokens that the model made",
	"total_tokens":      "both together",
	"tool_calls":        "the calls that the reply asks for",
	"type":              "what it is; the other fields follow from it",
}

// described tells whether a reader gets to know what a field is.
func described(property *openapi3.SchemaRef) bool {
	return property.Ref != "" || property.Value.Description != "" || len(property.Value.AllOf) > 0
}

// describe gives fields without a comment the usual one.
func describe(schema *openapi3.Schema) {
	for name, property := range schema.Properties {
		if !described(property) {
			property.Value.Description = usual[name]
		}
	}
}

// refusals are what any operation that needs a key may answer.
var refusals = map[string]string{
	"401": "the API key is missing or not valid",
	"403": "the API key lacks the scope that this needs",
	"429": "a limit of the API key is reached; Retry-After says when to try again",
}

// addRefusals documents them where a handler's comments do not.
func addRefusals(document *openapi3.T, operation *openapi3.Operation, method, path string) {
	if operation.Security == nil {
		return
	}
	for status, description := range refusals {
		if status == "429" && strings.EqualFold(method, "get") || operation.Responses.Value(status) != nil {
			continue // reading is not metered
		}
		reply := openapi3.NewResponse().WithDescription(description).WithContent(failure(document, path))
		operation.Responses.Set(status, &openapi3.ResponseRef{Value: reply})
	}
}
