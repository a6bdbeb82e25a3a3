package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func TestAConversationGoesOnFromAStoredResponse(t *testing.T) {
	b := newBench(t)
	first := b.response(respond(`"ab"`, `"instructions": "x"`))
	second := b.response(respond(`[{"role": "user", "content": "cd"}]`, `"instructions": "y", "previous_response_id": "`+first.ID+`"`))
	third := b.response(respond(`"ef"`, `"previous_response_id": "`+second.ID+`", "store": false`))
	require.Equal(t, &second.ID, third.PreviousResponseID)
	require.Nil(t, third.Instructions)
	seen := b.engine.seen()
	require.Equal(t, prompted("system: x", "user: ab"), seen[0].Prompt)
	require.Equal(t, prompted("system: y", "user: ab", "assistant: Hello, world", "user: cd"), seen[1].Prompt, "instructions are not taken over")
	require.Equal(t, prompted("user: ab", "assistant: Hello, world", "user: cd", "assistant: Hello, world", "user: ef"), seen[2].Prompt)

	// It goes on where it was, however often, and also without its beginning.
	require.Equal(t, http.StatusOK, b.send("DELETE", responsesPath+"/"+first.ID, "").status)
	b.response(respond(`"gh"`, `"previous_response_id": "`+second.ID+`"`))
	require.Equal(t, prompted("user: ab", "assistant: Hello, world", "user: cd", "assistant: Hello, world", "user: gh"), b.engine.seen()[3].Prompt)
	for _, gone := range []string{first.ID, third.ID, "resp_none", "", "x"} {
		e := b.send("POST", responsesPath, respond(`"gh"`, `"previous_response_id": "`+gone+`"`)).requireError(t, 400, "previous_response_not_found", "previous_response_id")
		require.Contains(t, e.Message, fmt.Sprintf("%q", gone))
	}
	require.Equal(t, http.StatusOK, b.send("POST", responsesPath, respond(`"gh"`, `"previous_response_id": null`)).status)
}

func TestAStoredResponseIsReadAndDeleted(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", responsesPath, respond(`"ab"`, `"metadata": {"a": "<b>"}`))
	var made Response
	r.into(t, &made)
	path := responsesPath + "/" + made.ID
	for _, query := range []string{"", "?include[]=reasoning.encrypted_content", "?stream=false"} {
		got := b.send("GET", path+query, "")
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.JSONEq(t, r.body, got.body)
	}
	b.send("GET", path+"?stream=true", "").requireError(t, 400, "unsupported_parameter", "stream")
	b.send("GET", path+"?include[]=message.output_text.logprobs", "").requireError(t, 400, "unsupported_parameter", "include")
	b.send("GET", path+"?include=all", "").requireError(t, 400, "invalid", "include[0]")

	deleted := b.send("DELETE", path, "")
	require.Equal(t, http.StatusOK, deleted.status)
	require.JSONEq(t, `{"id": "`+made.ID+`", "object": "response", "deleted": true}`, deleted.body)
	for _, method := range []string{"GET", "DELETE"} {
		e := b.send(method, path, "").requireError(t, 404, "not_found", "")
		require.Contains(t, e.Message, made.ID)
	}
	b.send("GET", path+"/input_items", "").requireError(t, 404, "not_found", "")
}

func TestAResponseBelongsToTheKeyThatMadeIt(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"one", "two"} })
	with := func(key string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }
	}
	var made Response
	b.send("POST", responsesPath, respond(`"ab"`, ""), with("one")).into(t, &made)
	path := responsesPath + "/" + made.ID
	item := made.Output[0].ID

	for _, method := range []string{"GET", "DELETE"} {
		there := b.send(method, path, "", with("two")).requireError(t, 404, "not_found", "")
		nowhere := b.send(method, responsesPath+"/resp_x", "", with("two")).requireError(t, 404, "not_found", "")
		require.Equal(t, there.Message, replaceOnce(nowhere.Message, "resp_x", made.ID), "nothing tells that it is there")
	}
	b.send("GET", path+"/input_items", "", with("two")).requireError(t, 404, "not_found", "")
	b.send("POST", responsesPath, respond(`"cd"`, `"previous_response_id": "`+made.ID+`"`), with("two")).requireError(t, 400, "previous_response_not_found", "previous_response_id")
	b.send("POST", responsesPath, respond(`[{"type": "item_reference", "id": "`+item+`"}]`, ""), with("two")).requireError(t, 404, "not_found", "input[0].id")

	require.Equal(t, http.StatusOK, b.send("GET", path, "", with("one")).status)
	kept := b.kept.all()[made.ID]
	require.Len(t, kept.Owner, 64, "a digest")
	require.NotContains(t, string(kept.Body)+kept.Owner, "one")
	require.Equal(t, http.StatusOK, b.send("POST", responsesPath, respond(`"cd"`, `"previous_response_id": "`+made.ID+`"`), with("one")).status)
	require.Equal(t, http.StatusOK, b.send("DELETE", path, "", with("one")).status)
}

func replaceOnce(text, old, new string) string {
	for i := range text {
		if len(text)-i >= len(old) && text[i:i+len(old)] == old {
			return text[:i] + new + text[i+len(old):]
		}
	}
	return text
}

func TestTheStoreIsToldHowManyAndHowLong(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Responses, o.Limits.ResponseTTL = 7, time.Hour })
	made := b.response(respond(`"ab"`, ""))
	require.Equal(t, 7, b.kept.bound)
	kept := b.kept.all()[made.ID]
	require.Equal(t, time.Hour, kept.ExpiresAt.Sub(kept.CreatedAt))
	require.Equal(t, made.CreatedAt, kept.CreatedAt.Unix())
	require.Empty(t, kept.Owner, "there are no keys")
}

func TestInputItemsComeInPages(t *testing.T) {
	b := newBench(t)
	first := b.response(respond(`[{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": [{"type": "input_text", "text": "3"}]}]`, `"instructions": "x"`))
	second := b.response(respond(`"5"`, `"previous_response_id": "`+first.ID+`"`))
	path := responsesPath + "/" + second.ID + "/input_items"
	page := func(query string) (texts []string, p ResponseItemPage) {
		r := b.send("GET", path+query, "")
		require.Equal(t, http.StatusOK, r.status, r.body)
		r.into(t, &p)
		require.Equal(t, "list", p.Object)
		for _, item := range p.Data {
			require.Equal(t, "completed", item.Status)
			texts = append(texts, *item.Content[0].Text)
		}
		if len(p.Data) > 0 {
			require.Equal(t, [2]string{p.Data[0].ID, p.Data[len(p.Data)-1].ID}, [2]string{*p.FirstID, *p.LastID})
		}
		return texts, p
	}
	texts, all := page("")
	require.Equal(t, []string{"5", "Hello, world", "3", "2", "1"}, texts)
	require.False(t, all.HasMore)
	texts, forward := page("?order=asc&limit=5")
	require.Equal(t, []string{"1", "2", "3", "Hello, world", "5"}, texts)
	require.Equal(t, []string{"input_text", "output_text", "input_text", "output_text", "input_text"}, func() (types []string) {
		for _, item := range forward.Data {
			types = append(types, item.Content[0].Type)
		}
		return types
	}())

	texts, p := page("?limit=2")
	require.Equal(t, []string{"5", "Hello, world"}, texts)
	require.True(t, p.HasMore)
	texts, p = page("?limit=3&after=" + *p.LastID)
	require.Equal(t, []string{"3", "2", "1"}, texts)
	require.False(t, p.HasMore)
	texts, p = page("?after=" + *p.LastID)
	require.Empty(t, texts)
	require.Nil(t, p.FirstID)
	require.False(t, p.HasMore)
	require.Contains(t, b.send("GET", path+"?after="+*all.LastID, "").body, `"data":[]`)

	for query, param := range map[string]string{"?limit=0": "limit", "?limit=x": "limit", "?limit=1001": "limit", "?order=up": "order", "?after=msg_x": "after", "?include=message.output_text.logprobs": "include"} {
		code := "invalid"
		if param == "include" {
			code = "unsupported_parameter"
		}
		b.send("GET", path+query, "").requireError(t, 400, code, param)
	}
}

func TestStoredItemsCanBeReferredTo(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.References = 2 })
	reference := func(id string) string { return `{"type": "item_reference", "id": "` + id + `"}` }
	first := b.response(respond(`[{"role": "user", "content": "ab"}]`, ""))
	var items ResponseItemPage
	b.send("GET", responsesPath+"/"+first.ID+"/input_items", "").into(t, &items)
	said := first.Output[0].ID
	b.response(respond(`[`+reference(items.Data[0].ID)+`, {"id": "`+said+`"}, {"role": "user", "content": "cd"}]`, ""))
	require.Equal(t, prompted("user: ab", "assistant: Hello, world", "user: cd"), b.engine.seen()[1].Prompt)

	// Within the conversation that is gone on from, whatever has become of its beginning.
	second := b.response(respond(`"ef"`, `"previous_response_id": "`+first.ID+`"`))
	require.Equal(t, http.StatusOK, b.send("DELETE", responsesPath+"/"+first.ID, "").status)
	b.response(respond(`[`+reference(said)+`, {"role": "user", "content": "gh"}]`, `"previous_response_id": "`+second.ID+`"`))
	require.Equal(t, prompted("user: ab", "assistant: Hello, world", "user: ef", "assistant: Hello, world", "assistant: Hello, world", "user: gh"), b.engine.seen()[3].Prompt)

	for _, gone := range []string{said, "msg_x", "msg__1", "x", first.ID, second.Output[0].ID + "9"} {
		b.send("POST", responsesPath, respond(`[`+reference(gone)+`]`, "")).requireError(t, 404, "not_found", "input[0].id")
	}
	stateless := b.response(respond(`"ij"`, `"store": false`))
	b.send("POST", responsesPath, respond(`[`+reference(stateless.Output[0].ID)+`]`, "")).requireError(t, 404, "not_found", "input[0].id")

	third, fourth := b.response(respond(`"kl"`, "")), b.response(respond(`"mn"`, ""))
	reads := b.kept.reads
	b.response(respond(`[`+reference(second.Output[0].ID)+`,`+reference(third.Output[0].ID)+`,`+reference(second.Output[0].ID)+`]`, ""))
	require.Equal(t, 2, b.kept.reads-reads, "each response is read once")
	b.send("POST", responsesPath, respond(`[`+reference(second.Output[0].ID)+`,`+reference(third.Output[0].ID)+`,`+reference(fourth.Output[0].ID)+`]`, "")).requireError(t, 400, "invalid", "input[2]")
}

func TestAStoreThatFailsIsNoMissingResponse(t *testing.T) {
	b := newBench(t)
	made := b.response(respond(`"ab"`, ""))
	b.kept.fail = fault.New(fault.Unavailable, "Redis is out of reach")
	path := responsesPath + "/" + made.ID
	b.send("GET", path, "").requireError(t, 503, "unavailable", "")
	b.send("DELETE", path, "").requireError(t, 503, "unavailable", "")
	b.send("GET", path+"/input_items", "").requireError(t, 503, "unavailable", "")
	b.send("POST", responsesPath, respond(`"cd"`, `"previous_response_id": "`+made.ID+`"`)).requireError(t, 503, "unavailable", "")
	b.send("POST", responsesPath, respond(`[{"type": "item_reference", "id": "`+made.Output[0].ID+`"}]`, "")).requireError(t, 503, "unavailable", "")

	b.kept.fail = nil
	b.kept.kept[made.ID] = store.Response{ID: made.ID, Body: json.RawMessage(`{"response": 1}`)}
	b.send("GET", path, "").requireError(t, 500, "damaged", "")
}
