"""Holds a running gateway against Anthropic's official client.

    python3 anthropic_client.py URL KEY MODEL CALLER

Messages in one piece, streamed and asynchronous, counted, begun, stopped and
held to a schema; models; errors; tools, of the model CALLER. Prints one line per check; an assertion that
fails ends it.
"""

import asyncio
import sys
from typing import Literal

import anthropic
import openai
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"}]
GREEDY = {"temperature": 0}  # the client has no argument for it any more


class Verdict(BaseModel):
    answer: Literal["はい", "いいえ"]
    sure: bool


def ask(client, model, messages=QUESTION, **more):
    return client.messages.create(model=model, max_tokens=more.pop("max_tokens", 24), messages=messages, extra_body=GREEDY, **more)


def text_of(message):
    assert message.type == "message" and message.role == "assistant" and message.id.startswith("msg_"), message
    assert all(block.type == "text" for block in message.content), message
    return "".join(block.text for block in message.content)


def check_models(client, model):
    listed = [info.id for info in client.models.list(limit=2)]  # page by page
    assert model in listed and len(listed) == len(set(listed)) > 2, listed
    info = client.models.retrieve(model)
    assert info.id == model and info.type == "model" and info.display_name and info.created_at.year >= 2020, info
    print(f"ok: {len(listed)} models listed")


def check_whole(client, model, chat):
    """The reply is the one that a chat gets, and the client finds all that it looks for."""
    message = ask(client, model)
    text = text_of(message)
    assert message.model == model and message.stop_reason in ("end_turn", "max_tokens") and message.stop_sequence is None, message
    assert message._request_id, "no request id"
    same = chat.chat.completions.create(model=model, max_tokens=24, messages=QUESTION, temperature=0)
    assert same.choices[0].message.content == text, (same, text)
    usage = message.usage
    assert usage.input_tokens + usage.cache_read_input_tokens == same.usage.prompt_tokens, (usage, same.usage)
    assert usage.output_tokens == same.usage.completion_tokens, (usage, same.usage)
    assert client.messages.count_tokens(model=model, messages=QUESTION).input_tokens == same.usage.prompt_tokens
    blocks = [{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"], "cache_control": {"type": "ephemeral"}}]}]
    assert text_of(ask(client, model, blocks, metadata={"user_id": "u"})) == text
    print(f"ok: {text}")
    return text, message.stop_reason


def check_stream(client, model, text, reason):
    """The events come in their order and add up to the reply in one piece."""
    events = list(ask(client, model, stream=True))
    kinds = [event.type for event in events]
    deltas = kinds.count("content_block_delta")
    assert kinds == ["message_start", "content_block_start", *["content_block_delta"] * deltas, "content_block_stop", "message_delta", "message_stop"], kinds
    assert deltas > 1 and "".join(e.delta.text for e in events if e.type == "content_block_delta") == text, events
    assert events[-2].delta.stop_reason == reason, events[-2]
    with client.messages.stream(model=model, max_tokens=24, messages=QUESTION, extra_body=GREEDY) as stream:
        assert "".join(stream.text_stream) == text
        final = stream.get_final_message()
    assert text_of(final) == text and final.stop_reason == reason, final
    assert final.usage.output_tokens == events[-2].usage.output_tokens > 0, final
    with client.messages.stream(model=model, max_tokens=400, messages=QUESTION) as stream:
        next(iter(stream))  # and go away
    print(f"ok: {len(events)} events")
    return [e.delta.text for e in events if e.type == "content_block_delta"]


async def check_async(url, key, model, text):
    """Several at once, streamed and not."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key, timeout=120, max_retries=0) as client:

        async def streamed():
            async with client.messages.stream(model=model, max_tokens=24, messages=QUESTION, extra_body=GREEDY) as stream:
                return "".join([piece async for piece in stream.text_stream])

        async def whole():
            return text_of(await client.messages.create(model=model, max_tokens=24, messages=QUESTION, extra_body=GREEDY))

        texts = await asyncio.gather(streamed(), whole(), streamed(), whole())
        assert texts == [text] * 4, texts
        counted = await client.messages.count_tokens(model=model, system="短く。", messages=QUESTION)
        assert counted.input_tokens > 0
    print("ok: asynchronous")


def check_begun(client, model, pieces):
    """The model goes on with the reply that it is given the beginning of."""
    begun, rest = "".join(pieces[:8]), "".join(pieces[8:])
    message = ask(client, model, [*QUESTION, {"role": "assistant", "content": begun}])
    assert text_of(message) == rest, (begun, rest, message)
    print(f"ok: {begun} + {text_of(message)}")


def check_stops(client, model, text):
    """The stop sequence is named, and is no part of the reply."""
    stop = text[3:5]
    message = ask(client, model, stop_sequences=["never", stop])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", stop), message
    assert text_of(message) == text[: text.index(stop)], message
    *_, delta, _ = ask(client, model, stop_sequences=[stop], stream=True)
    assert (delta.delta.stop_reason, delta.delta.stop_sequence) == ("stop_sequence", stop), delta
    short = ask(client, model, max_tokens=2)
    assert short.stop_reason == "max_tokens" and short.usage.output_tokens == 2, short
    print(f"ok: stopped at {stop}")


def check_turns(client, model):
    """A conversation with a system prompt, and what it has in common with the one before is cached."""
    system = [{"type": "text", "text": "りんごは全部で"}, {"type": "text", "text": "答えは" * 12}]
    first = ask(client, model, QUESTION, system=system)
    turns = [*QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "3+4"}, {"role": "user", "content": "5+6"}]
    second = ask(client, model, turns, system=system)
    assert second.usage.cache_read_input_tokens >= 32, second.usage
    counted = client.messages.count_tokens(model=model, system=system, messages=turns)
    assert counted.input_tokens == second.usage.input_tokens + second.usage.cache_read_input_tokens, (counted, second.usage)
    print(f"ok: {second.usage.cache_read_input_tokens} of {counted.input_tokens} tokens were cached")


def check_schema(client, model):
    """A reply held to a schema parses, whatever the model would rather say."""
    parsed = client.messages.parse(model=model, max_tokens=100, messages=QUESTION, output_format=Verdict, extra_body=GREEDY)
    assert isinstance(parsed.parsed_output, Verdict), parsed
    print(f"ok: {parsed.parsed_output}")


def check_tools(client, caller):
    """A tool is called when it has to be, and the conversation goes on with its result."""
    question = [{"role": "user", "content": "天気は？"}]
    city = {"type": "object", "properties": {"city": {"enum": ["京都", "東京"]}}, "required": ["city"], "additionalProperties": False}
    tools = [{"name": "weather", "description": "天気", "input_schema": city}]
    for choice in ({"type": "any"}, {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}):
        message = ask(client, caller, question, tools=tools, tool_choice=choice, max_tokens=160)
        assert message.stop_reason == "tool_use", message
        call = message.content[0]
        assert call.type == "tool_use" and call.name == "weather" and call.input["city"] in ("京都", "東京"), message
        with client.messages.stream(model=caller, max_tokens=160, messages=question, tools=tools, tool_choice=choice, extra_body=GREEDY) as stream:
            kinds = [event.type for event in stream]
            streamed = stream.get_final_message()
        assert "input_json" in kinds and streamed.stop_reason == "tool_use", (kinds, streamed)
        assert streamed.content[0].input == call.input and streamed.content[0].id, (streamed, call)
    turns = [*question, {"role": "assistant", "content": message.content}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "雨"}]}]
    answer = ask(client, caller, turns, tools=tools, tool_choice={"type": "none"})
    assert answer.stop_reason in ("end_turn", "max_tokens") and text_of(answer), answer
    told = client.messages.count_tokens(model=caller, messages=question, tools=tools).input_tokens
    assert told > client.messages.count_tokens(model=caller, messages=question).input_tokens
    print(f"ok: called with {call.input}")


def refused(kind, request):
    try:
        request()
    except kind as error:
        assert error.request_id and error.body["type"] == "error" and error.body["request_id"] == error.request_id, error.body
        return error
    raise SystemExit(f"no {kind.__name__}")


def check_errors(client, url, model):
    """Errors arrive as the client's own exceptions, with what it looks for in them."""
    stranger = anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0)
    assert refused(anthropic.AuthenticationError, lambda: ask(stranger, model)).type == "authentication_error"
    assert refused(anthropic.NotFoundError, lambda: ask(client, "no-such-model")).type == "not_found_error"
    assert refused(anthropic.NotFoundError, lambda: client.models.retrieve("no-such-model")).type == "not_found_error"
    for field, more in (
        ("max_tokens", {"max_tokens": 0}),
        ("messages[0].content[0]", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]}]}),
        ("messages", {"messages": [{"role": "user", "content": "りんご" * 20000}]}),
        ("stop_sequences[0]", {"stop_sequences": [""]}),
        ("thinking", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("tools", {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}),  # which its template knows nothing of
        ("messages[1].content", {"messages": [*QUESTION, {"role": "assistant", "content": "答えは "}]}),
    ):
        error = refused(anthropic.BadRequestError, lambda: ask(client, model, **more))
        assert error.type == "invalid_request_error" and field in error.api_message, error
        refused(anthropic.BadRequestError, lambda: ask(client, model, stream=True, **more))
    print("ok: errors")


def main():
    url, key, model, caller = sys.argv[1:]
    client = anthropic.Anthropic(base_url=url, api_key=key, timeout=120, max_retries=0)
    chat = openai.OpenAI(base_url=url + "/v1", api_key=key, timeout=120, max_retries=0)
    check_models(client, model)
    text, reason = check_whole(client, model, chat)
    pieces = check_stream(client, model, text, reason)
    asyncio.run(check_async(url, key, model, text))
    check_begun(client, model, pieces)
    check_stops(client, model, text)
    check_turns(client, model)
    check_schema(client, model)
    check_tools(client, caller)
    check_errors(client, url, model)
    bearer = anthropic.Anthropic(base_url=url, auth_token=key, timeout=120, max_retries=0)
    assert text_of(ask(bearer, model)) == text


if __name__ == "__main__":
    main()
