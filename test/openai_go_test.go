package test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

// checkOpenAIGo holds a server against OpenAI's official Go client.
func checkOpenAIGo(t *testing.T, url, key, model, caller string) {
	client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0), option.WithRequestTimeout(requestTime))
	t.Run("models", func(t *testing.T) { goModels(t, client) })
	t.Run("chat", func(t *testing.T) { goChat(t, client, model) })
	t.Run("log probabilities", func(t *testing.T) { goLogprobs(t, client, model) })
	t.Run("structured output", func(t *testing.T) { goStructured(t, client, model) })
	t.Run("completions", func(t *testing.T) { goCompletions(t, client, model) })
	t.Run("tools", func(t *testing.T) { goTools(t, client, caller) })
	t.Run("errors", func(t *testing.T) { goErrors(t, client, url, model) })
}

func goModels(t *testing.T, client openai.Client) {
	page, err := client.Models.List(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(page.Data), 2)
	for _, listed := range page.Data {
		one, err := client.Models.Get(t.Context(), listed.ID)
		require.NoError(t, err)
		require.Equal(t, listed.ID, one.ID)
		require.Equal(t, listed.Created, one.Created)
	}
}

// greedyChat is a chat whose reply is always the same.
func greedyChat(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(24),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？")},
	}
}

// The client's accumulator is strict about the order of chunks, and what it puts
// together is the reply in one piece.
func goChat(t *testing.T, client openai.Client, model string) {
	whole, err := client.Chat.Completions.New(t.Context(), greedyChat(model))
	require.NoError(t, err)
	require.Len(t, whole.Choices, 1)
	require.NotEmpty(t, whole.Choices[0].Message.Content)
	require.Contains(t, []string{"stop", "length"}, whole.Choices[0].FinishReason)
	require.Equal(t, whole.Usage.TotalTokens, whole.Usage.PromptTokens+whole.Usage.CompletionTokens)

	for _, n := range []int64{1, 3} {
		body := greedyChat(model)
		body.N = openai.Int(n)
		body.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		stream := client.Chat.Completions.NewStreaming(t.Context(), body)
		var sum openai.ChatCompletionAccumulator
		chunks := 0
		for stream.Next() {
			require.True(t, sum.AddChunk(stream.Current()), "%+v", stream.Current())
			chunks++
		}
		require.NoError(t, stream.Err())
		require.Greater(t, chunks, 3)
		require.Len(t, sum.Choices, int(n))
		for _, choice := range sum.Choices {
			require.Equal(t, whole.Choices[0].Message.Content, choice.Message.Content)
			require.Equal(t, whole.Choices[0].FinishReason, choice.FinishReason)
		}
		require.Equal(t, whole.Usage.PromptTokens, sum.Usage.PromptTokens)
		require.Equal(t, n*whole.Usage.CompletionTokens, sum.Usage.CompletionTokens)
	}

	stopped := greedyChat(model)
	stopped.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{whole.Choices[0].Message.Content[:1]}}
	short, err := client.Chat.Completions.New(t.Context(), stopped)
	require.NoError(t, err)
	require.Empty(t, short.Choices[0].Message.Content)
	require.Equal(t, "stop", short.Choices[0].FinishReason)
}

func goLogprobs(t *testing.T, client openai.Client, model string) {
	body := greedyChat(model)
	body.Logprobs, body.TopLogprobs = openai.Bool(true), openai.Int(2)
	reply, err := client.Chat.Completions.New(t.Context(), body)
	require.NoError(t, err)
	tokens := reply.Choices[0].Logprobs.Content
	require.NotEmpty(t, tokens)
	for _, token := range tokens {
		require.LessOrEqual(t, token.Logprob, 0.)
		require.Len(t, token.TopLogprobs, 2)
		require.Equal(t, token.Logprob, token.TopLogprobs[0].Logprob, "greedy is the most probable")
	}
}

func goStructured(t *testing.T, client openai.Client, model string) {
	body := greedyChat(model)
	body.MaxCompletionTokens = openai.Int(100)
	body.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "verdict", Strict: openai.Bool(true),
		Schema: object{
			"type": "object", "required": []string{"answer", "sure"}, "additionalProperties": false,
			"properties": object{"answer": object{"enum": []string{"はい", "いいえ"}}, "sure": object{"type": "boolean"}},
		},
	}}
	reply, err := client.Chat.Completions.New(t.Context(), body)
	require.NoError(t, err)
	var verdict struct {
		Answer string
		Sure   *bool
	}
	require.NoError(t, json.Unmarshal([]byte(reply.Choices[0].Message.Content), &verdict), reply.Choices[0].Message.Content)
	require.Contains(t, []string{"はい", "いいえ"}, verdict.Answer)
	require.NotNil(t, verdict.Sure)
}

func goCompletions(t *testing.T, client openai.Client, model string) {
	body := openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(model), Temperature: openai.Float(0), MaxTokens: openai.Int(8), Logprobs: openai.Int(1), Echo: openai.Bool(true),
		Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"りんごは", "3+4="}},
	}
	whole, err := client.Completions.New(t.Context(), body)
	require.NoError(t, err)
	require.Len(t, whole.Choices, 2)
	for i, prompt := range body.Prompt.OfArrayOfStrings {
		choice := whole.Choices[i]
		require.EqualValues(t, i, choice.Index)
		require.Contains(t, choice.Text, prompt)
		require.Len(t, choice.Logprobs.TokenLogprobs, len(choice.Logprobs.Tokens))
		require.Len(t, choice.Logprobs.TextOffset, len(choice.Logprobs.Tokens))
	}
	stream := client.Completions.NewStreaming(t.Context(), body)
	texts := map[int64]string{}
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			texts[choice.Index] += choice.Text
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, map[int64]string{0: whole.Choices[0].Text, 1: whole.Choices[1].Text}, texts)

	body.Prompt = openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1, 300, 301}}
	ids, err := client.Completions.New(t.Context(), body)
	require.NoError(t, err)
	require.EqualValues(t, 3, ids.Usage.PromptTokens)
}

// A tool is called when it has to be, whole and streamed.
func goTools(t *testing.T, client openai.Client, model string) {
	body := greedyChat(model)
	body.MaxCompletionTokens, body.ParallelToolCalls = openai.Int(160), openai.Bool(false)
	body.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "weather", Description: openai.String("天気"),
		Parameters: shared.FunctionParameters{"type": "object", "required": []string{"city"}, "properties": object{"city": object{"enum": []string{"京都", "東京"}}}},
	})}
	body.ToolChoice.OfAuto = openai.String("required")
	reply, err := client.Chat.Completions.New(t.Context(), body)
	require.NoError(t, err)
	require.Equal(t, "tool_calls", reply.Choices[0].FinishReason)
	require.Len(t, reply.Choices[0].Message.ToolCalls, 1)
	call := reply.Choices[0].Message.ToolCalls[0]
	require.NotEmpty(t, call.ID)
	require.Equal(t, "weather", call.Function.Name)
	var arguments struct{ City string }
	require.NoError(t, json.Unmarshal([]byte(call.Function.Arguments), &arguments))
	require.Contains(t, []string{"京都", "東京"}, arguments.City)

	stream := client.Chat.Completions.NewStreaming(t.Context(), body)
	var sum openai.ChatCompletionAccumulator
	finished := 0
	for stream.Next() {
		require.True(t, sum.AddChunk(stream.Current()), "%+v", stream.Current())
		if streamed, ok := sum.JustFinishedToolCall(); ok {
			finished++
			require.Equal(t, []string{call.Function.Name, call.Function.Arguments}, []string{streamed.Name, streamed.Arguments})
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, 1, finished)

	body.Messages = append(body.Messages, reply.Choices[0].Message.ToParam(), openai.ToolMessage("雨", call.ID))
	body.ToolChoice.OfAuto = openai.String("none")
	answer, err := client.Chat.Completions.New(t.Context(), body)
	require.NoError(t, err)
	require.NotEmpty(t, answer.Choices[0].Message.Content)
	require.Empty(t, answer.Choices[0].Message.ToolCalls)
}

// Errors are the client's own, with each of OpenAI's fields.
func goErrors(t *testing.T, client openai.Client, url, model string) {
	refused := func(err error) *openai.Error {
		var e *openai.Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Message)
		return e
	}
	ask := func(client openai.Client, edit func(*openai.ChatCompletionNewParams)) *openai.Error {
		body := greedyChat(model)
		edit(&body)
		_, err := client.Chat.Completions.New(t.Context(), body)
		stream := client.Chat.Completions.NewStreaming(t.Context(), body)
		require.False(t, stream.Next())
		whole, streamed := refused(err), refused(stream.Err())
		require.Equal(t, []any{whole.StatusCode, whole.Code, whole.Param, whole.Type}, []any{streamed.StatusCode, streamed.Code, streamed.Param, streamed.Type})
		return whole
	}
	for _, c := range []struct {
		edit        func(*openai.ChatCompletionNewParams)
		status      int
		code, param string
	}{
		{func(b *openai.ChatCompletionNewParams) { b.Model = "no-such-model" }, http.StatusNotFound, "model_not_found", "model"},
		{func(b *openai.ChatCompletionNewParams) { b.Temperature = openai.Float(-1) }, http.StatusBadRequest, "invalid", "temperature"},
		{func(b *openai.ChatCompletionNewParams) { b.Messages = nil }, http.StatusBadRequest, "invalid", "messages"},
	} {
		e := ask(client, c.edit)
		require.Equal(t, []any{c.status, c.code, c.param, "invalid_request_error"}, []any{e.StatusCode, e.Code, e.Param, e.Type})
	}
	stranger := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey("wrong"), option.WithMaxRetries(0))
	require.Equal(t, "invalid_api_key", ask(stranger, func(*openai.ChatCompletionNewParams) {}).Code)
	_, err := client.Models.Get(t.Context(), "no-such-model")
	require.Equal(t, http.StatusNotFound, refused(err).StatusCode)
}
