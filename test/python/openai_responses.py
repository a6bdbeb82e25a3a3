"""Holds a gateway's responses against the official openai client.

    python3 openai_responses.py BASE_URL MODEL

Responses whole and streamed, from both clients, stored and gone on from, held to
a form, with log probabilities. What the server sends is validated by the client's
own types, which the client itself does not insist on. Prints one line per check;
an assertion that fails ends it.
"""

import asyncio
import json
import math
import sys

import openai
import pydantic
from openai.types.responses import Response, ResponseItem, ResponseStreamEvent

QUESTION = "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"
EVENT = pydantic.TypeAdapter(ResponseStreamEvent)
ITEM = pydantic.TypeAdapter(ResponseItem)


def valid(response):
    """The response has all that its type asks for."""
    Response.model_validate(response.to_dict())
    assert response.id.startswith("resp_") and response.object == "response", response
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0, usage
    return response


def same(one, other):
    """Two responses differ in nothing but their names and times."""

    def bare(response):
        fields = response.to_dict()
        for varying in ("id", "created_at", "completed_at", "store", "usage"):
            fields.pop(varying)
        for item in fields["output"]:
            item.pop("id")
            for part in item["content"]:
                part.pop("parsed", None)  # the client's own
        return fields

    assert bare(one) == bare(other), (one, other)


def check_whole(client, model):
    """A reply in one piece, which the chat gives as well."""
    ask = {"model": model, "temperature": 0, "max_output_tokens": 64}
    got = valid(client.responses.create(input=QUESTION, metadata={"for": "test"}, **ask))
    assert got.status == "completed" and got.incomplete_details is None, got
    assert got.metadata == {"for": "test"} and got.max_output_tokens == 64 and got.temperature == 0, got
    chat = client.chat.completions.create(
        model=model, temperature=0, max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
    )
    assert got.output_text == chat.choices[0].message.content and got.output_text, (got, chat)
    assert got.usage.input_tokens == chat.usage.prompt_tokens and got.usage.output_tokens == chat.usage.completion_tokens
    parts = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}]
    same(got, valid(client.responses.create(input=parts, metadata={"for": "test"}, **ask)))
    short = valid(client.responses.create(input=QUESTION, model=model, temperature=0, max_output_tokens=3))
    assert short.status == "incomplete" and short.incomplete_details.reason == "max_output_tokens", short
    assert got.output_text.startswith(short.output_text.rstrip()), (short, got)
    instructed = valid(client.responses.create(input=QUESTION, instructions="はい、と答えてください。", **ask))
    assert instructed.usage.input_tokens > got.usage.input_tokens, (instructed.usage, got.usage)
    print(f"ok: {got.output_text}")


def check_stream(client, model):
    """The events add up to the reply in one piece, and are as the client's types say."""
    ask = {"model": model, "input": QUESTION, "temperature": 0, "max_output_tokens": 64}
    whole = client.responses.create(**ask)
    events = list(client.responses.create(stream=True, **ask))
    for number, event in enumerate(events):
        EVENT.validate_python(event.to_dict())
        assert event.sequence_number == number, events
    types = [event.type for event in events]
    deltas = types.count("response.output_text.delta")
    assert deltas > 1 and types == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
    ], types
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text and "\ufffd" not in text, (text, whole)
    same(valid(events[-1].response), whole)
    assert client.responses.retrieve(events[-1].response.id) == events[-1].response

    # The client's own accumulator is stricter than the plain stream.
    with client.responses.stream(**ask) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                assert whole.output_text.startswith(event.snapshot), event
        same(stream.get_final_response(), whole)
    short = list(client.responses.create(stream=True, **{**ask, "max_output_tokens": 3}))
    assert short[-1].type == "response.incomplete" and short[-1].response.status == "incomplete", short[-1]
    print(f"ok: {len(events)} events")


async def check_async(base_url, model):
    """Several at once from the asynchronous client, whole and streamed."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0) as client:
        ask = {"model": model, "temperature": 0, "max_output_tokens": 16}

        async def streamed(text):
            stream = await client.responses.create(input=text, stream=True, **ask)
            return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])

        async def whole(text):
            return valid(await client.responses.create(input=text, **ask))

        questions = [QUESTION, "3+4", "12+5"]
        pieces, wholes = await asyncio.gather(
            asyncio.gather(*map(streamed, questions)), asyncio.gather(*map(whole, questions))
        )
        assert pieces == [response.output_text for response in wholes], (pieces, wholes)
        assert await client.responses.retrieve(wholes[0].id) == wholes[0]
        items = [item async for item in await client.responses.input_items.list(wholes[0].id)]
        assert [item.content[0].text for item in items] == [QUESTION], items
        await client.responses.delete(wholes[0].id)
    print("ok: the asynchronous client")


def check_stored(client, model):
    """A conversation goes on from what is stored, and only from that."""
    ask = {"model": model, "temperature": 0, "max_output_tokens": 24}
    first = valid(client.responses.create(input=QUESTION, instructions="短く。", **ask))
    second = valid(client.responses.create(input="3+4", previous_response_id=first.id, **ask))
    assert second.previous_response_id == first.id and second.instructions is None, second
    third = valid(client.responses.create(input="5+6", previous_response_id=second.id, store=False, **ask))

    # The same with the whole conversation in the request, in each of its forms.
    turns = [{"role": "user", "content": QUESTION}, *[item.to_dict() for item in first.output], {"role": "user", "content": "3+4"}]
    spelled = valid(client.responses.create(input=turns, **ask))
    assert spelled.output_text == second.output_text and spelled.usage.input_tokens == second.usage.input_tokens, (spelled, second)
    turns[1] = {"type": "item_reference", "id": first.output[0].id}
    referred = valid(client.responses.create(input=turns, **ask))
    assert referred.output_text == second.output_text and referred.usage.input_tokens == second.usage.input_tokens, (referred, second)

    assert client.responses.retrieve(second.id) == second
    pages = client.responses.input_items.list(second.id, limit=2)
    assert len(pages.data) == 2 and pages.has_more, pages
    items = list(pages)  # the client asks for the other pages
    for item in items:
        ITEM.validate_python(item.to_dict())
    texts = [item.content[0].text for item in items]
    assert texts == ["3+4", first.output_text, QUESTION], texts
    oldest = client.responses.input_items.list(second.id, order="asc", after=items[-1].id).data
    assert [item.id for item in oldest] == [items[1].id, items[0].id], oldest

    client.responses.delete(first.id)
    for gone in (first.id, third.id):
        for call in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
            try:
                call(gone)
                raise SystemExit(f"{gone} is still there")
            except openai.NotFoundError as error:
                assert gone in error.message, error
        try:
            client.responses.create(input="1+1", previous_response_id=gone, **ask)
            raise SystemExit(f"{gone} was gone on from")
        except openai.BadRequestError as error:
            assert error.code == "previous_response_not_found" and error.param == "previous_response_id", error.body
    assert valid(client.responses.create(input="1+1", previous_response_id=second.id, **ask)).output_text
    print(f"ok: {len(items)} stored items")


class Thing(pydantic.BaseModel):
    """What a reply is held to."""

    model_config = pydantic.ConfigDict(extra="forbid")
    yes: bool
    count: int = pydantic.Field(ge=0, le=99)


def check_formats(client, model):
    """text.format holds the reply, and the client parses it."""
    ask = {"model": model, "input": "3+4", "max_output_tokens": 200, "extra_body": {"seed": 1}}
    parsed = client.responses.parse(text_format=Thing, **ask)
    assert isinstance(parsed.output_parsed, Thing) and parsed.text.format.type == "json_schema", parsed
    with client.responses.stream(text_format=Thing, **ask) as stream:
        final = stream.get_final_response()
    assert final.output_parsed == parsed.output_parsed, (final, parsed)
    loose = valid(client.responses.create(text={"format": {"type": "json_object"}}, **{**ask, "max_output_tokens": 400}))
    if loose.status == "completed":
        assert isinstance(json.loads(loose.output_text), dict), loose
    print(f"ok: {parsed.output_text}")


def check_logprobs(client, model):
    """Each token with its alternatives, in the deltas and at the end."""
    ask = {
        "model": model, "input": QUESTION, "temperature": 0, "max_output_tokens": 24,
        "include": ["message.output_text.logprobs"], "top_logprobs": 3,
    }
    whole = valid(client.responses.create(**ask))
    tokens = whole.output[0].content[0].logprobs
    assert b"".join(bytes(token.bytes) for token in tokens).decode().lstrip() == whole.output_text.lstrip(), tokens
    for token in tokens:
        assert math.isfinite(token.logprob) and len(token.top_logprobs) == 3, token
        assert token.logprob == token.top_logprobs[0].logprob, token
    streamed, done = [], None
    for event in client.responses.create(stream=True, **ask):
        if event.type == "response.output_text.delta":
            streamed += [token.token for token in event.logprobs]
        elif event.type == "response.output_text.done":
            done = [token.token for token in event.logprobs]
    assert streamed == done == [token.token for token in tokens], (streamed, done, tokens)
    kept = client.responses.retrieve(whole.id)
    assert kept.output[0].content[0].logprobs == [] and kept.output_text == whole.output_text, kept
    print(f"ok: {len(tokens)} tokens with log probabilities")


def check_truncation(client, model):
    """A conversation longer than the context is refused, or loses its beginning."""
    turn = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "62個です。"}]
    ask = {"model": model, "temperature": 0, "max_output_tokens": 16, "input": [*turn * 40, {"role": "user", "content": "3+4"}]}
    try:
        client.responses.create(**ask)
        raise SystemExit("a conversation longer than the context was accepted")
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded" and error.param == "input", error.body
    short = valid(client.responses.create(truncation="auto", **ask))
    items = list(client.responses.input_items.list(short.id, limit=100))
    assert 1 < len(items) < 81 and len(items) % 2 == 1, len(items)
    assert items[0].content[0].text == "3+4" and short.truncation == "auto", short
    print(f"ok: {len(items)} of 81 items fit")


def check_errors(client, model):
    """Errors have the names of this API."""
    for param, more in (
        ("max_output_tokens", {"max_output_tokens": 0}),
        ("input[1].content[0].text", {"input": [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "input_text"}]}]}),
        ("input", {"input": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),  # the template raises
        ("text.format", {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "nothing"}}}}),
        ("tools[0].type", {"tools": [{"type": "web_search"}]}),
        ("background", {"background": True}),
        ("reasoning", {"reasoning": {"effort": "high"}}),
        ("max_tokens", {"extra_body": {"max_tokens": 3}}),
    ):
        for stream in (False, True):
            try:
                client.responses.create(**{"model": model, "input": "a", "stream": stream, **more})
                raise SystemExit(f"{param} was accepted")
            except openai.BadRequestError as error:
                assert error.param == param, error.body
    try:
        client.responses.create(model="no-such-model", input="a", stream=True)
        raise SystemExit("an unknown model was accepted")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and error.param == "model", error.body
    print("ok: errors")


def main():
    base_url, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    for check in (check_whole, check_stream, check_stored, check_formats, check_logprobs, check_truncation, check_errors):
        check(client, model)
    asyncio.run(check_async(base_url, model))


if __name__ == "__main__":
    main()
