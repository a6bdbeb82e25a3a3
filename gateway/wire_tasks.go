package gateway

import (
	"encoding/json"
	"strings"

	"github.com/mergeway/mergeway/search/task"
)

// Task is what models can be scored on.
type Task struct {
	ID          string         `json:"id" example:"ja-math"`
	Object      string         `json:"object" enums:"task"`
	Description string         `json:"description"`                         // what it asks of a model
	Language    string         `json:"language,omitempty"`                  // a right reply's, as an ISO 639-1 code
	Metric      string         `json:"metric,omitempty" example:"accuracy"` // how replies are scored
	Weight      float64        `json:"weight,omitempty"`                    // what it counts among others
	Problems    map[string]int `json:"problems"`                            // how many each split has
	Digest      string         `json:"digest,omitempty"`                    // names its content: same digest, same scores
	Uploaded    bool           `json:"uploaded,omitempty"`                  // it came over HTTP, and can be deleted
	Error       string         `json:"error,omitempty"`                     // why it can't be used
}

// TaskList is the reply to GET /v1/tasks.
type TaskList struct {
	Object string `json:"object" enums:"list"`
	Data   []Task `json:"data"`
}

// TaskUpload is the body of POST /v1/tasks.
type TaskUpload struct {
	YAML       string          `json:"yaml" binding:"required"`                                                             // the text of task.yaml
	Search     json.RawMessage `json:"search,omitempty" swaggertype:"object" extensions:"x-union=string|[]object|null"`     // problems: JSON Lines as text, or a list of objects
	Validation json.RawMessage `json:"validation,omitempty" swaggertype:"object" extensions:"x-union=string|[]object|null"` // likewise
	Test       json.RawMessage `json:"test,omitempty" swaggertype:"object" extensions:"x-union=string|[]object|null"`       // likewise
	// Pictures are those that problems show: PNG, JPEG, WebP or GIF in base64, by the names that problems have them by.
	Pictures map[string]string `json:"pictures,omitempty" example:"red.png:iVBORw0KGgo="`
}

// DeletedTask is the reply to DELETE /v1/tasks/{name}.
type DeletedTask struct {
	ID      string `json:"id"`
	Object  string `json:"object" enums:"task.deleted"`
	Deleted bool   `json:"deleted"`
}

// TaskPreview shows how the problems of a task are asked.
type TaskPreview struct {
	Object  string             `json:"object" enums:"list"`
	Data    []PreviewedProblem `json:"data"`
	Total   int                `json:"total"`    // problems of the split
	HasMore bool               `json:"has_more"` // ask again with offset = what you have
}

// PreviewedProblem is one problem as it is asked.
type PreviewedProblem struct {
	ID       string      `json:"id"`
	Messages []task.Turn `json:"messages,omitempty"` // the conversation, where it is one
	Prompt   string      `json:"prompt,omitempty"`   // what the model reads: the text, or the conversation in the template of the model named
	Choices  []string    `json:"choices,omitempty"`  // whose likelihoods are compared
	Images   []string    `json:"images,omitempty"`   // where the pictures are that it shows, before the words of the last message
	Answers  []string    `json:"answers"`            // what is expected; any of them will do
}

func newTask(l task.Listing) Task {
	out := Task{ID: l.Name, Object: "task", Problems: map[string]int{}, Uploaded: l.Uploaded}
	if l.Err != nil {
		_, body := explain(l.Err, "")
		out.Error = strings.TrimSpace(body.Error.Message)
		return out
	}
	t := l.Task
	out.Description, out.Language, out.Metric, out.Weight, out.Digest = t.Description, t.Language, t.Metric, t.Weight, t.Digest
	for _, split := range task.Splits() {
		out.Problems[string(split)] = t.Count(split)
	}
	return out
}
