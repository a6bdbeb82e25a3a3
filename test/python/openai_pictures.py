"""Shows a running gateway a picture with the official openai client.

    python3 openai_pictures.py BASE_URL SEEING BLIND DATA_URI

Chats and responses, whole and streamed, and what a model that reads text only says
to it. Prints one line per check; an assertion that fails ends it.
"""

import sys

import openai


def question(uri):
    return [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": uri, "detail": "high"}}]}
    ]


def check_chat(client, seeing, uri):
    """A picture counts as tokens, and a stream adds up to the reply in one piece."""
    whole = client.chat.completions.create(model=seeing, messages=question(uri), temperature=0, max_tokens=4)
    text = client.chat.completions.create(model=seeing, messages=[{"role": "user", "content": "What is it?"}], temperature=0, max_tokens=4)
    assert whole.usage.prompt_tokens > text.usage.prompt_tokens + 20, (whole.usage, text.usage)
    stream = client.chat.completions.create(model=seeing, messages=question(uri), temperature=0, max_tokens=4, stream=True)
    pieces = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert pieces == whole.choices[0].message.content, (pieces, whole)
    print("ok: a chat shows a picture")


def check_responses(client, seeing, uri):
    """A stored response still shows it."""
    parts = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": uri, "detail": "auto"}]
    first = client.responses.create(model=seeing, input=[{"role": "user", "content": parts}], temperature=0, max_output_tokens=16)
    second = client.responses.create(model=seeing, input="And?", previous_response_id=first.id, temperature=0, max_output_tokens=16)
    assert second.usage.input_tokens > first.usage.input_tokens > 20, (first.usage, second.usage)
    items = list(client.responses.input_items.list(first.id))
    assert items[0].content[1].image_url == uri, items
    print("ok: a response shows a picture")


def check_blind(client, blind, uri):
    """A model that reads text only says which part it can't read."""
    try:
        client.chat.completions.create(model=blind, messages=question(uri))
    except openai.BadRequestError as error:
        assert error.param == "messages[0].content[1]", error
        print("ok: a text model refuses it")
        return
    raise AssertionError("a text model took a picture")


def main():
    base_url, seeing, blind, uri = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
    check_chat(client, seeing, uri)
    check_responses(client, seeing, uri)
    check_blind(client, blind, uri)


main()
