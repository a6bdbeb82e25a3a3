package gateway

import (
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
)

// checkContinued checks the fields that say whether the last message is over.
func (r ChatRequest) checkContinued(messages []chat.Message) error {
	switch last := messages[len(messages)-1]; {
	case r.AddGenerationPrompt != nil && *r.AddGenerationPrompt == r.ContinueFinalMessage:
		return fault.Bad("add_generation_prompt", "add_generation_prompt is %v: it must be the opposite of continue_final_message", *r.AddGenerationPrompt)
	case r.ContinueFinalMessage && (last.Role != "assistant" || len(last.ToolCalls) > 0 || strings.TrimSpace(last.Content) == ""):
		return fault.Bad("continue_final_message", "continue_final_message is only for requests whose last message is the assistant's, and not empty")
	}
	return nil
}
