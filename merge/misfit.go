package merge

import (
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Misfit is why models can't be merged: every reason, not the first.
type Misfit struct {
	Problems []Problem
}

// Problem is one of the reasons.
type Problem struct {
	Kind Kind `json:"kind"`
	// Model is the one that differs from the others, or lacks something; empty if
	// the recipe alone is at fault.
	Model string `json:"model,omitempty"`
	// Field is the key of its config, its tensor, or the recipe's parameter.
	Field string `json:"field,omitempty"`
	// Message says it in words.
	Message string `json:"message"`
}

// Kind says what a [Problem] is about.
type Kind string

// The kinds of problems.
const (
	KindModel        Kind = "model"        // it isn't there
	KindArchitecture Kind = "architecture" // weights of another meaning
	KindShape        Kind = "shape"        // weights of another shape
	KindVocabulary   Kind = "vocabulary"   // embeddings of other words
	KindHead         Kind = "head"         // tied to the embedding, or not
	KindTensors      Kind = "tensors"      // weights that are not there
	KindLayers       Kind = "layers"       // layers that are not there
	KindDType        Kind = "dtype"        // weights that can't be shared
	KindVision       Kind = "vision"       // the part that sees pictures
	KindNumbers      Kind = "numbers"      // weights and other numbers of the recipe
)

// maxProblems is how many are listed: two models may differ in every tensor.
const maxProblems = 200

// Error implements error: all of them in a row.
func (m *Misfit) Error() string {
	texts := make([]string, len(m.Problems))
	for i, p := range m.Problems {
		texts[i] = p.Message
	}
	return strings.Join(texts, "; ")
}

// unfit is the report as an error; nil if there are no problems.
func (m *Misfit) unfit() error {
	if len(m.Problems) == 0 {
		return nil
	}
	return fault.Wrap(m, fault.Unfit, "these models can't be merged")
}

func (m *Misfit) add(kind Kind, model, field, format string, args ...any) {
	if len(m.Problems) < maxProblems {
		m.Problems = append(m.Problems, Problem{Kind: kind, Model: model, Field: field, Message: fmt.Sprintf(format, args...)})
	}
}
