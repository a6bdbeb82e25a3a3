"""Holds a running gateway against LangChain's ChatOpenAI.

    python3 langchain_client.py BASE_URL KEY MODEL CALLER

Invoked, streamed, asynchronous, in batches and held to a schema; errors; tools,
of the model CALLER.
Prints one line per check; an assertion that fails ends it.
"""

import asyncio
import sys
from typing import Literal

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

QUESTION = "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"


class Verdict(BaseModel):
    """Whether something holds."""

    answer: Literal["はい", "いいえ"]
    sure: bool


@tool
def weather(city: Literal["京都", "東京"]) -> str:
    """天気"""
    return "雨"


def check_invoke(model):
    message = model.invoke(QUESTION)
    assert isinstance(message, AIMessage) and message.content, message
    assert message.response_metadata["finish_reason"] in ("stop", "length"), message
    usage = message.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0, usage
    turns = [SystemMessage("短く。"), HumanMessage("3+4"), AIMessage("7"), HumanMessage(QUESTION)]
    assert model.invoke(turns).content
    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model
    assert chain.invoke({"question": QUESTION}).content == message.content
    print(f"ok: {message.content}")
    return message.content


def check_stream(model, text):
    whole = None
    for chunk in model.stream(QUESTION, stream_usage=True):
        whole = chunk if whole is None else whole + chunk
    assert whole.content == text and whole.usage_metadata["output_tokens"] > 0, whole
    print("ok: streamed")


async def check_async(model, text):
    async def streamed():
        return "".join([chunk.content async for chunk in model.astream(QUESTION)])

    one, two, many = await asyncio.gather(model.ainvoke(QUESTION), streamed(), model.abatch([QUESTION] * 3))
    assert [one.content, two, *(each.content for each in many)] == [text] * 5, (one, two, many)
    print("ok: asynchronous")


def check_schema(model):
    """A form that is asked for is kept, as an object and as a dictionary."""
    verdict = model.with_structured_output(Verdict, method="json_schema").invoke(QUESTION)
    assert isinstance(verdict, Verdict), verdict
    raw = model.with_structured_output(Verdict, method="json_schema", include_raw=True).invoke(QUESTION)
    assert raw["parsing_error"] is None and raw["parsed"] == verdict, raw
    schema = {"title": "count", "type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    count = model.with_structured_output(schema, method="json_schema", strict=True).invoke(QUESTION)
    assert count in ({"n": 1}, {"n": 2}), count
    print(f"ok: {verdict}, {count}")


def check_tools(caller):
    """Tools are called, streamed too, and the conversation goes on with what they say."""
    bound = caller.bind_tools([weather], tool_choice="any", parallel_tool_calls=False)
    message = bound.invoke("天気は？")
    (call,) = message.tool_calls
    assert call["name"] == "weather" and call["args"]["city"] in ("京都", "東京"), message
    whole = None
    for chunk in bound.stream("天気は？"):
        whole = chunk if whole is None else whole + chunk
    (streamed,) = whole.tool_calls
    assert (streamed["name"], streamed["args"]) == (call["name"], call["args"]) and streamed["id"], whole
    result = weather.invoke(call)
    assert isinstance(result, ToolMessage), result
    answer = caller.bind_tools([weather], tool_choice="none").invoke([HumanMessage("天気は？"), message, result])
    assert answer.content and not answer.tool_calls, answer
    verdict = caller.with_structured_output(Verdict, method="function_calling").invoke("雨ですか？")
    assert isinstance(verdict, Verdict), verdict
    print(f"ok: called with {call['args']}, {verdict}")


def check_errors(model, base_url, key):
    try:
        ChatOpenAI(model="no-such-model", base_url=base_url, api_key=key, max_retries=0).invoke(QUESTION)
        raise SystemExit("an unknown model was accepted")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and error.param == "model", error.body
    try:
        model.invoke(QUESTION, temperature=3)
        raise SystemExit("a hot temperature was accepted")
    except openai.BadRequestError as error:
        assert error.param == "temperature", error.body
    print("ok: errors")


def main():
    base_url, key, name, caller = sys.argv[1:]
    model = ChatOpenAI(model=name, base_url=base_url, api_key=key, temperature=0, max_tokens=160, timeout=120, max_retries=0)
    text = check_invoke(model)
    check_stream(model, text)
    asyncio.run(check_async(model, text))
    check_schema(model)
    check_tools(model.model_copy(update={"model_name": caller}))
    check_errors(model, base_url, key)


if __name__ == "__main__":
    main()
