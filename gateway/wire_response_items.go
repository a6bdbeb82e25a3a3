package gateway

// ResponseItem is one item of a conversation: a message, a call of a function, or
// what the function gave. It has the fields of its type.
type ResponseItem struct {
	ID        string         `json:"id" example:"msg_ABCDEFGHIJKLMNOPQRSTUVWXYZ_1"`
	Type      string         `json:"type" enums:"message,function_call,function_call_output"`
	Status    string         `json:"status" enums:"in_progress,completed,incomplete"`
	Role      string         `json:"role,omitempty" enums:"user,assistant,system,developer"` // of a message
	Content   []ResponsePart `json:"content,omitzero"`                                       // of a message
	CallID    string         `json:"call_id,omitempty"`                                      // of a call and its output: what they have in common
	Name      string         `json:"name,omitempty"`                                         // of a call: the function
	Arguments *string        `json:"arguments,omitempty"`                                    // of a call: JSON as text, as the model wrote it
	Output    *string        `json:"output,omitempty"`                                       // of an output: what the function gave, as text
}

// ResponsePart is a part of a message. It has the fields of its type.
type ResponsePart struct {
	Type        string             `json:"type" enums:"output_text,input_text,input_image"`
	Text        *string            `json:"text,omitempty"`                                        // of text
	Annotations []any              `json:"annotations,omitzero" swaggertype:"array,object"`       // of the model's text; there are none
	Logprobs    []ChatTokenLogprob `json:"logprobs,omitzero"`                                     // of the model's text, if asked for: token by token, but for the one that ended the reply
	ImageURL    string             `json:"image_url,omitempty"`                                   // of an image
	Detail      string             `json:"detail,omitempty" enums:"auto,low,high" example:"auto"` // of an image
}

// outputText is a part that the model wrote.
func outputText(text string, logprobs []ChatTokenLogprob) ResponsePart {
	if logprobs == nil {
		logprobs = []ChatTokenLogprob{}
	}
	return ResponsePart{Type: "output_text", Text: &text, Annotations: []any{}, Logprobs: logprobs}
}

// ResponseItemPage is the reply to GET /v1/responses/{id}/input_items.
type ResponseItemPage struct {
	Object  string         `json:"object" enums:"list"`
	Data    []ResponseItem `json:"data"`
	FirstID *string        `json:"first_id" extensions:"x-nullable"` // null if there is none
	LastID  *string        `json:"last_id" extensions:"x-nullable"`  // where the next page begins
	HasMore bool           `json:"has_more"`                         // ask again with after: last_id
}

// ResponseEvent is one event of a streamed response. It has the fields of its
// type, which is the event's name as well.
type ResponseEvent struct {
	Type           string             `json:"type"`
	SequenceNumber int                `json:"sequence_number"`
	Response       *Response          `json:"response,omitempty"`      // as it is now
	OutputIndex    *int               `json:"output_index,omitempty"`  // which item of the output
	ItemID         string             `json:"item_id,omitempty"`       // its id
	ContentIndex   *int               `json:"content_index,omitempty"` // which part of the item
	Item           *ResponseItem      `json:"item,omitempty"`
	Part           *ResponsePart      `json:"part,omitempty"`
	Delta          *string            `json:"delta,omitempty"` // what is new of a text or of a call's arguments
	Text           *string            `json:"text,omitempty"`
	Arguments      *string            `json:"arguments,omitempty"`
	Logprobs       []ChatTokenLogprob `json:"logprobs,omitzero"` // of the tokens of a text
}

// ResponseErrorEvent is the event of an error after the first byte.
type ResponseErrorEvent struct {
	Type           string  `json:"type" enums:"error"`
	SequenceNumber int     `json:"sequence_number"`
	Code           string  `json:"code"`
	Message        string  `json:"message"`
	Param          *string `json:"param"`
}
