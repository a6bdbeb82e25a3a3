package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// turn is one message of a conversation, as the API has it.
type turn struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // text, or a list of parts
}

// chatClient talks to a gateway as any client does.
type chatClient struct {
	client
	model       string
	temperature float64
	maxTokens   int
	fresh       bool     // every question is a conversation of its own
	images      []string // files of pictures that the first question is about
}

func newChat() *cobra.Command {
	var c chatClient
	var system string
	cmd := &cobra.Command{
		Use:   "chat MODEL [QUESTION]",
		Short: "Talk to a model of a running gateway",
		Long: `Talks to a model of a running gateway: a source, an alias or a recipe. With a
QUESTION it prints the reply and ends; without, it reads questions from standard
input, a line each, until end of file. Pictures go with the first question.`,
		Example: `  mergeway chat winner
  mergeway chat --image photo.jpg seeing "What is in the picture?"
  mergeway chat winner "太郎さんはりんごを27個持っています。35個もらいました。全部で何個ですか。"`,
		Args: usage(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.model = args[0]
			var conversation []turn
			if system != "" {
				conversation = append(conversation, turn{"system", system})
			}
			shown, err := readPictures(c.images)
			if err != nil {
				return err
			}
			if len(args) == 2 {
				_, err := c.say(cmd.Context(), cmd.OutOrStdout(), append(conversation, ask(args[1], shown)))
				return err
			}
			return c.converse(cmd, conversation, shown)
		},
	}
	f := cmd.Flags()
	c.bind(f)
	f.StringVar(&system, "system", "", "system message")
	f.Float64Var(&c.temperature, "temperature", 0, "0: always the most probable token")
	f.IntVar(&c.maxTokens, "max-tokens", 0, "longest reply (0: as the context allows)")
	f.StringArrayVar(&c.images, "image", nil, "file of a picture (PNG, JPEG, WebP, GIF) that the first question is about; may be repeated")
	f.BoolVar(&c.fresh, "fresh", false, "forget earlier turns at every question")
	return cmd
}

// converse answers each line of standard input; the first one is about the
// pictures, and with fresh each.
func (c chatClient) converse(cmd *cobra.Command, opening []turn, shown []string) error {
	conversation := opening
	lines := bufio.NewScanner(cmd.InOrStdin())
	prompt := func() { fmt.Fprint(cmd.ErrOrStderr(), "> ") }
	for prompt(); lines.Scan(); prompt() {
		question := strings.TrimSpace(lines.Text())
		if question == "" {
			continue
		}
		if c.fresh {
			conversation = opening
		}
		asked := append(conversation[:len(conversation):len(conversation)], ask(question, shown))
		reply, err := c.say(cmd.Context(), cmd.OutOrStdout(), asked)
		if err != nil {
			// A question that can't be answered ends nothing but itself.
			if cmd.Context().Err() != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), err)
			continue
		}
		conversation = append(asked, turn{"assistant", reply})
		if !c.fresh {
			shown = nil // what was asked stays in the conversation
		}
	}
	return lines.Err()
}

// say sends a conversation and writes the reply as it comes.
func (c chatClient) say(ctx context.Context, out io.Writer, conversation []turn) (string, error) {
	body := map[string]any{"model": c.model, "messages": conversation, "temperature": c.temperature, "stream": true}
	if c.maxTokens > 0 {
		body["max_tokens"] = c.maxTokens
	}
	response, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", body)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	reply, err := readReply(response.Body, out)
	fmt.Fprintln(out)
	return reply, err
}

// readReply writes a stream's text as it comes, and gives all of it.
func readReply(stream io.Reader, out io.Writer) (string, error) {
	var text strings.Builder
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return text.String(), nil
		}
		var chunk struct {
			apiError
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return text.String(), fmt.Errorf("the gateway sends what is no event: %w", err)
		}
		if chunk.Error != nil {
			return text.String(), errors.New(chunk.Error.Message)
		}
		for _, choice := range chunk.Choices {
			text.WriteString(choice.Delta.Content)
			if _, err := io.WriteString(out, choice.Delta.Content); err != nil {
				return text.String(), err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return text.String(), fmt.Errorf("the reply broke off: %w", err)
	}
	return text.String(), errors.New("the reply broke off")
}
