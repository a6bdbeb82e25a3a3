package gateway

import "github.com/mergeway/mergeway/catalog"

// Model is one thing that can be asked for, in OpenAI's form with our extras.
type Model struct {
	ID      string `json:"id" example:"base"`
	Object  string `json:"object" enums:"model"`
	Created int64  `json:"created"`                     // seconds since 1970; the same at every call
	OwnedBy string `json:"owned_by" example:"mergeway"` // whoever runs this server

	Name            string            `json:"name,omitempty" example:"two-of-each"`                 // what people call a recipe
	Kind            string            `json:"kind" enums:"source,alias,recipe"`                     // a folder, a recipe, or a movable name
	Target          string            `json:"target,omitempty"`                                     // what an alias stands for
	State           string            `json:"state" enums:"ready,unloaded,loading,draining,failed"` // whether it can answer at once
	Pinned          bool              `json:"pinned"`                                               // stays on the device however short memory is
	Bytes           int64             `json:"bytes"`                                                // memory of its weights while it is ready
	Error           string            `json:"error,omitempty"`                                      // why it failed
	InputModalities []string          `json:"input_modalities" example:"text"`                      // what it reads: text, and image if it sees pictures
	Capabilities    ModelCapabilities `json:"capabilities"`

	Progress float64 `json:"progress,omitempty" example:"0.25"` // how much of it is made while it is loading, as far as that is known
}

// ModelCapabilities say what can be asked of a model beyond text.
type ModelCapabilities struct {
	Vision bool `json:"vision"` // pictures in chats
}

// ModelList is the reply to GET /v1/models.
type ModelList struct {
	Object string  `json:"object" enums:"list"`
	Data   []Model `json:"data"`
}

func newModel(e catalog.Entry) Model {
	return Model{
		ID: e.ID, Object: "model", Created: e.Created.Unix(), OwnedBy: "mergeway", Name: e.Name,
		Kind: string(e.Kind), Target: e.Target, State: string(e.State), Pinned: e.Pinned, Bytes: e.Bytes, Error: e.Error, Progress: e.Progress,
		InputModalities: modalities(e), Capabilities: ModelCapabilities{Vision: e.Sees},
	}
}

// modalities are what a model reads.
func modalities(e catalog.Entry) []string {
	if e.Sees {
		return []string{"text", "image"}
	}
	return []string{"text"}
}
