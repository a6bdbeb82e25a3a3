package gateway

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/constrain"
)

func TestConstraintsAreReadInAllTheirForms(t *testing.T) {
	schema := `{"type": "object"}`
	for _, c := range []struct {
		fields string
		want   *constrain.Spec
	}{
		{`{}`, nil},
		{`{"response_format": null, "guided_json": null, "guided_regex": null, "guided_choice": null, "structured_outputs": {}}`, nil},
		{`{"response_format": {"type": "text"}}`, nil},
		{`{"response_format": {"type": "json_object"}}`, &constrain.Spec{Kind: constrain.JSONObject, Param: "response_format"}},
		{`{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": ` + schema + `}}}`,
			&constrain.Spec{Kind: constrain.JSONSchema, Text: schema, Param: "response_format"}},
		{`{"guided_json": ` + schema + `}`, &constrain.Spec{Kind: constrain.JSONSchema, Text: schema, Param: "guided_json"}},
		{`{"guided_json": "{}"}`, &constrain.Spec{Kind: constrain.JSONSchema, Text: "{}", Param: "guided_json"}},
		{`{"guided_regex": "a+"}`, &constrain.Spec{Kind: constrain.Regex, Text: "a+", Param: "guided_regex"}},
		{`{"guided_choice": ["a", "答"]}`, &constrain.Spec{Kind: constrain.Choice, Text: `["a","答"]`, Param: "guided_choice"}},
		{`{"structured_outputs": {"regex": "a+", "json": null}}`, &constrain.Spec{Kind: constrain.Regex, Text: "a+", Param: "structured_outputs"}},
		{`{"structured_outputs": {"json_object": true}}`, &constrain.Spec{Kind: constrain.JSONObject, Param: "structured_outputs"}},
		{`{"structured_outputs": {"json": ` + schema + `}}`, &constrain.Spec{Kind: constrain.JSONSchema, Text: schema, Param: "structured_outputs"}},
		{`{"structured_outputs": {"choice": ["a"]}}`, &constrain.Spec{Kind: constrain.Choice, Text: `["a"]`, Param: "structured_outputs"}},
	} {
		var f ConstraintFields
		require.NoError(t, json.Unmarshal([]byte(c.fields), &f), c.fields)
		got, err := f.spec()
		require.NoError(t, err, c.fields)
		require.Equal(t, c.want, got, c.fields)
	}
}

func TestConstraintsThatMakeNoSenseAreRefused(t *testing.T) {
	b := newBench(t)
	for fields, param := range map[string]string{
		`"response_format": {"type": "xml"}`:                                  "response_format.type",
		`"response_format": "json"`:                                           "response_format",
		`"response_format": {"type": "json_schema"}`:                          "response_format.json_schema",
		`"response_format": {"type": "json_schema", "json_schema": {}}`:       "response_format.json_schema",
		`"guided_choice": [null]`:                                             "guided_choice",
		`"guided_regex": "a", "guided_choice": ["a"]`:                         "guided_choice",
		`"structured_outputs": {"regex": 5}`:                                  "structured_outputs",
		`"structured_outputs": {"regex": "a", "choice": ["b"]}`:               "structured_outputs",
		`"structured_outputs": 5`:                                             "structured_outputs",
		`"use_beam_search": true, "response_format": {"type": "json_object"}`: "use_beam_search",
	} {
		b.send("POST", chatPath, ask(fields)).requireError(t, 400, "invalid", param)
		b.send("POST", completionsPath, complete(`"a"`, fields)).requireError(t, 400, "invalid", param)
	}
	b.send("POST", chatPath, ask(`"structured_outputs": {"grammar": "root ::= x"}`)).requireError(t, 400, "unsupported_parameter", "structured_outputs")
	require.Empty(t, b.engine.seen())
}
