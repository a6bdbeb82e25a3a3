"""Holds function calls in a gateway's responses against the official openai client.

    python3 openai_responses_tools.py BASE_URL MODEL

The model has never seen a tool: what it calls, it calls because it is held to it.
Prints one line per check; an assertion that fails ends it.
"""

import json
import sys
from typing import Literal

import openai
import pydantic
from openai.types.responses import Response, ResponseItem, ResponseStreamEvent

EVENT = pydantic.TypeAdapter(ResponseStreamEvent)
ITEM = pydantic.TypeAdapter(ResponseItem)


class Weather(pydantic.BaseModel):
    """Says how warm it is."""

    model_config = pydantic.ConfigDict(extra="forbid")
    city: Literal["東京", "Paris", "Rome"]
    days: int = pydantic.Field(ge=0, le=9)


TOOL = {
    "type": "function", "name": "Weather", "description": "Says how warm it is.", "strict": True,
    "parameters": {
        "type": "object", "required": ["city", "days"], "additionalProperties": False,
        "properties": {"city": {"enum": ["東京", "Paris", "Rome"]}, "days": {"type": "integer", "minimum": 0, "maximum": 9}},
    },
}


def ask(client, model, **more):
    options = {"input": "3+4", "tools": [TOOL], "max_output_tokens": 200, "extra_body": {"seed": 1}, "parallel_tool_calls": False}
    return client.responses.create(model=model, **(options | more))


def call_of(response):
    """A response that is one call, of arguments that the function takes."""
    Response.model_validate(response.to_dict())
    assert response.status == "completed" and response.output_text == "" and len(response.output) == 1, response
    call = response.output[0]
    assert call.type == "function_call" and call.name == "Weather" and call.status == "completed", call
    assert call.id.startswith("fc_") and call.call_id.startswith("call_") and call.id != call.call_id, call
    Weather.model_validate_json(call.arguments)
    return call


def check_calls(client, model):
    """What is required is called, whole and streamed; who may choose is free to answer."""
    for choice in ("required", {"type": "function", "name": "Weather"}):
        whole = ask(client, model, tool_choice=choice)
        call = call_of(whole)
        assert [tool.name for tool in whole.tools] == ["Weather"], whole
        events = list(ask(client, model, tool_choice=choice, stream=True))
        for number, event in enumerate(events):
            EVENT.validate_python(event.to_dict())
            assert event.sequence_number == number, events
        types = [event.type for event in events]
        deltas = types.count("response.function_call_arguments.delta")
        assert deltas > 1 and types == [
            "response.created", "response.in_progress", "response.output_item.added",
            *["response.function_call_arguments.delta"] * deltas,
            "response.function_call_arguments.done", "response.output_item.done", "response.completed",
        ], types
        streamed = call_of(events[-1].response)
        arguments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
        assert arguments == streamed.arguments == call.arguments, (arguments, streamed, call)

    parsed = client.responses.parse(
        model=model, input="3+4", tools=[openai.pydantic_function_tool(Weather)["function"] | {"type": "function"}],
        tool_choice="required", parallel_tool_calls=False, max_output_tokens=200,
    )
    assert isinstance(json.loads(parsed.output[0].arguments), dict), parsed
    for choice in ("auto", "none"):
        free = ask(client, model, tool_choice=choice, max_output_tokens=12)
        assert [item.type for item in free.output] == ["message"] and free.tool_choice == choice, free
    print(f"ok: {call.arguments}")


def check_round(client, model):
    """What the function gave goes back, by the stored response or with all before it."""
    first = ask(client, model, tool_choice="required")
    call = call_of(first)
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
    answer = {"temperature": 0, "max_output_tokens": 8, "extra_body": {}}
    stored = ask(client, model, input=[output], previous_response_id=first.id, **answer)
    spelled = ask(client, model, input=[{"role": "user", "content": "3+4"}, call.to_dict(), output], **answer)
    referred = ask(client, model, input=[{"role": "user", "content": "3+4"}, {"type": "item_reference", "id": call.id}, output], **answer)
    assert stored.output_text == spelled.output_text == referred.output_text, (stored, spelled, referred)
    assert stored.usage.input_tokens == spelled.usage.input_tokens == referred.usage.input_tokens, (stored, spelled, referred)
    items = list(client.responses.input_items.list(stored.id, order="asc"))
    for item in items:
        ITEM.validate_python(item.to_dict())
    assert [item.type for item in items] == ["message", "function_call", "function_call_output"], items
    assert items[1].arguments == call.arguments and items[2].output == "7", items
    print(f"ok: {stored.output_text!r} after a result")


def check_errors(client, model):
    """Errors have the names of this API."""
    for param, more in (
        ("tools[0].name", {"tools": [TOOL | {"name": "a b"}]}),
        ("tools[0].parameters", {"tools": [TOOL | {"parameters": {"type": "object", "properties": {"a": {"not": {}}}}}], "tool_choice": "required"}),
        ("tool_choice", {"tool_choice": {"type": "function", "name": "rm"}}),
        ("input[0].call_id", {"input": [{"type": "function_call_output", "call_id": "call_x", "output": "7"}]}),
    ):
        try:
            ask(client, model, **more)
            raise SystemExit(f"{param} was accepted")
        except openai.BadRequestError as error:
            assert error.param == param, error.body
    print("ok: errors")


def main():
    base_url, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    for check in (check_calls, check_round, check_errors):
        check(client, model)


if __name__ == "__main__":
    main()
