"""Shows a picture to a model of a running gateway through the official openai client.

    python3 openai_picture_question.py BASE_URL MODEL PICTURE QUESTION

Prints the reply; an assertion that fails ends it.
"""

import base64
import pathlib
import sys

import openai


def main():
    url, model, picture, question = sys.argv[1:]
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    data = base64.b64encode(pathlib.Path(picture).read_bytes()).decode()
    messages = [{"role": "user", "content": [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]}]
    reply = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=48)
    text = reply.choices[0].message.content
    streamed = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=48, stream=True)
    assert text == "".join(c.choices[0].delta.content or "" for c in streamed if c.choices), text
    blind = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], temperature=0, max_tokens=48)
    assert reply.usage.prompt_tokens > blind.usage.prompt_tokens + 20, "a picture is at least 21 tokens"
    print(text)


if __name__ == "__main__":
    main()
