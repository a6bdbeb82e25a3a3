package gateway

import "encoding/json"

// EmbeddingRequest is the body of POST /v1/embeddings.
type EmbeddingRequest struct {
	Model          string          `json:"model" binding:"required" example:"base"`
	Input          json.RawMessage `json:"input" binding:"required" swaggertype:"string" extensions:"x-union=string|[]string|[]integer|[][]integer"` // a string, a list of strings, a list of token ids, or a list of lists of ids
	EncodingFormat string          `json:"encoding_format" enums:"float,base64" extensions:"x-nullable"`                                             // base64: of float32 numbers, little-endian; float if absent
	Dimensions     *int            `json:"dimensions" minimum:"1" extensions:"x-nullable"`                                                           // only so many of the first numbers, normalised anew: of use where the model was trained for it
	Pooling        string          `json:"pooling" enums:"mean,last" extensions:"x-nullable"`                                                        // the average over all tokens, or the state of the last; mean if absent
	Normalize      *bool           `json:"normalize" extensions:"x-nullable"`                                                                        // to length one; true if absent
}

// EmbeddingList is the reply to POST /v1/embeddings.
type EmbeddingList struct {
	Object string         `json:"object" enums:"list"`
	Data   []Embedding    `json:"data"` // in the order of the inputs
	Model  string         `json:"model"`
	Usage  EmbeddingUsage `json:"usage"`
}

// Embedding is the vector of one input.
type Embedding struct {
	Object    string `json:"object" enums:"embedding"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding" swaggertype:"array,number"` // with base64 a string
}

// EmbeddingUsage counts the tokens that the model saw.
type EmbeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}
