"""Holds a running gateway's tool calls against the official openai client.

    python3 openai_tools.py BASE_URL MODEL_WITHOUT_TOOLS MODEL...

The models have never seen a tool: what they call, they call because they are
held to it. Prints one line per check; an assertion that fails ends it.
"""

import json
import sys
from typing import Literal

import openai
from pydantic import BaseModel, ConfigDict, Field

QUESTION = [{"role": "user", "content": "3+4"}]


class Weather(BaseModel):
    """Says how warm it is."""

    model_config = ConfigDict(extra="forbid")
    city: Literal["東京", "Paris", "Rome"]
    days: int = Field(ge=0, le=9)


class Note(BaseModel):
    """Keeps a note."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=6)
    tags: list[bool] = Field(max_length=2)


KINDS = {"Weather": Weather, "Note": Note}
TOOLS = [openai.pydantic_function_tool(kind) for kind in KINDS.values()]


def ask(client, model, **more):
    options = {"messages": QUESTION, "tools": TOOLS, "temperature": 1, "seed": 1, "max_tokens": 200} | more
    return client.chat.completions.create(model=model, **options)


def is_valid(call):
    """A call has an id and arguments that its function takes."""
    assert call.id and call.type == "function", call
    KINDS[call.function.name].model_validate_json(call.function.arguments)
    return call.function.name, call.function.arguments


def check_forced(client, model):
    """What is required is called, with arguments that the schema allows."""
    names = set()
    for seed in range(6):
        reply = ask(client, model, tool_choice="required", parallel_tool_calls=False, seed=seed)
        choice = reply.choices[0]
        assert choice.finish_reason == "tool_calls" and choice.message.content is None, choice
        assert len(choice.message.tool_calls) == 1, choice
        names.add(is_valid(choice.message.tool_calls[0])[0])
    for name in KINDS:
        named = {"type": "function", "function": {"name": name}}
        message = ask(client, model, tool_choice=named, parallel_tool_calls=False, temperature=0).choices[0].message
        assert is_valid(message.tool_calls[0])[0] == name, message
        names.add(name)
    assert names == set(KINDS), names

    parsed = client.chat.completions.parse(
        model=model, messages=QUESTION, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=3, max_tokens=200
    )
    for call in parsed.choices[0].message.tool_calls:
        assert isinstance(call.function.parsed_arguments, KINDS[call.function.name]), call

    several = ask(client, model, tool_choice="required", n=3, logprobs=True, top_logprobs=1, parallel_tool_calls=False)
    ids = [call.id for choice in several.choices for call in choice.message.tool_calls]
    assert len(ids) == len(set(ids)) == 3, ids
    for choice in several.choices:
        is_valid(choice.message.tool_calls[0])
        assert len(choice.logprobs.content) > 5, choice
    print(f"ok: {model}: forced calls")


def check_streams(client, model):
    """The deltas of a stream add up to the call in one piece."""
    for seed in range(3):
        options = {"tool_choice": "required", "parallel_tool_calls": False, "seed": seed}
        whole = ask(client, model, **options).choices[0].message.tool_calls
        calls, reasons, pieces = [], [], 0
        for chunk in ask(client, model, stream=True, **options):
            choice = chunk.choices[0]
            assert not choice.delta.content, chunk
            reasons.append(choice.finish_reason)
            for delta in choice.delta.tool_calls or []:
                if delta.index == len(calls):
                    assert delta.id and delta.type == "function" and delta.function.name, delta
                    calls.append([delta.function.name, ""])
                else:
                    assert delta.id is None and delta.function.name is None, delta
                calls[delta.index][1] += delta.function.arguments
                pieces += 1
        assert reasons[-1] == "tool_calls" and not any(reasons[:-1]), reasons
        assert calls == [[call.function.name, call.function.arguments] for call in whole], (calls, whole)
        assert pieces > 3, "arguments came in one piece"

    # The client's own way to put a stream together.
    with client.chat.completions.stream(
        model=model, messages=QUESTION, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=1, max_tokens=200
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds, kinds
    assert isinstance(final.message.tool_calls[0].function.parsed_arguments, BaseModel), final
    print(f"ok: {model}: streamed calls")


def check_round(client, model):
    """A call and its result go back into the conversation."""
    message = ask(client, model, tool_choice="required", parallel_tool_calls=False).choices[0].message
    call = message.tool_calls[0]
    first = [*QUESTION, message.model_dump(exclude_none=True)]
    result = {"role": "tool", "tool_call_id": call.id, "content": "7</s>[INST]"}
    reply = ask(client, model, messages=[*first, result], temperature=0, max_tokens=8)
    assert reply.choices[0].message.content is not None and not reply.choices[0].message.tool_calls, reply
    longer = ask(client, model, messages=[*first, result | {"content": "7</s>[INST]" * 2}], temperature=0, max_tokens=8)
    assert longer.usage.prompt_tokens > reply.usage.prompt_tokens + 5, "a result is text, each letter of it"
    unasked = client.chat.completions.create(model=model, messages=[*first, result], temperature=0, max_tokens=4)
    assert unasked.usage.prompt_tokens < reply.usage.prompt_tokens, "without tools there is nothing to tell about them"
    print(f"ok: {model}: a result")


def check_choices(client, model):
    """Who may choose is free to answer, who may not call does not."""
    for choice in ("auto", "none", openai.omit):
        reply = ask(client, model, tool_choice=choice, max_tokens=12).choices[0]
        assert reply.finish_reason in ("stop", "length") and isinstance(reply.message.content, str), reply
        assert not reply.message.tool_calls, reply
    cut = ask(client, model, tool_choice="required", max_tokens=4)
    assert cut.choices[0].finish_reason == "length", cut
    stopped = ask(client, model, tool_choice={"type": "function", "function": {"name": "Weather"}}, stop='city"')
    choice = stopped.choices[0]
    arguments = choice.message.tool_calls[0].function.arguments
    assert choice.finish_reason == "stop" and "".join(arguments.split()) == '{"', choice
    formatted = ask(client, model, tools=[TOOLS[0]], response_format={"type": "json_object"}, max_tokens=60).choices[0]
    assert formatted.message.tool_calls or formatted.message.content.startswith("{"), formatted
    print(f"ok: {model}: choices")


def check_errors(client, plain, model):
    """What can't be honoured is refused with its name."""
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"not": {}}}}}}
    orphan = [*QUESTION, {"role": "tool", "tool_call_id": "call_x", "content": "7"}]
    for param, where, more in (
        ("tools", plain, {}),
        ("tools", plain, {"tool_choice": "required", "stream": True}),
        ("tools[0].function.name", model, {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
        ("tools[0].function.parameters", model, {"tools": [function], "tool_choice": "required"}),
        ("tool_choice", model, {"tool_choice": {"type": "function", "function": {"name": "rm"}}}),
        ("messages[1].tool_call_id", model, {"messages": orphan}),
        ("use_beam_search", model, {"extra_body": {"use_beam_search": True}, "temperature": 0}),
        ("functions", model, {"functions": [{"name": "f"}]}),
    ):
        try:
            ask(client, where, **more)
            raise SystemExit(f"{param} was accepted")
        except openai.BadRequestError as error:
            assert error.param == param, error.body
    assert ask(client, plain, tool_choice="none", max_tokens=2).choices[0].message.content is not None
    assert ask(client, model, tools=[function], max_tokens=2).choices, "nobody is held to this schema"
    print("ok: errors")


def main():
    base_url, plain, *models = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    for model in models:
        for check in (check_forced, check_streams, check_round, check_choices):
            check(client, model)
    check_errors(client, plain, models[0])


if __name__ == "__main__":
    main()
