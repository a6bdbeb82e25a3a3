"""Shows a running gateway a picture with the official anthropic client.

    python3 anthropic_pictures.py URL SEEING BLIND DATA_URI

Image blocks in a turn of the user's, counted and streamed, and what a model that
reads text only says to them. Prints one line per check; an assertion that fails
ends it.
"""

import sys

import anthropic

GREEDY = {"temperature": 0}  # the client has no argument for it any more


def main():
    url, seeing, blind, uri = sys.argv[1:]
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": uri.partition(",")[2]}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]

    whole = client.messages.create(model=seeing, max_tokens=4, messages=messages, extra_body=GREEDY)
    spent = whole.usage.input_tokens + whole.usage.cache_read_input_tokens
    assert spent > 30, whole.usage
    assert client.messages.count_tokens(model=seeing, messages=messages).input_tokens == spent
    with client.messages.stream(model=seeing, max_tokens=4, messages=messages, extra_body=GREEDY) as stream:
        text = "".join(stream.text_stream)
    assert text == "".join(block.text for block in whole.content), (text, whole)
    print("ok: a message shows a picture")

    try:
        client.messages.create(model=blind, max_tokens=4, messages=messages)
    except anthropic.BadRequestError as error:
        assert "messages[0].content[0]" in str(error), error
        print("ok: a text model refuses it")
        return
    raise AssertionError("a text model took a picture")


main()
