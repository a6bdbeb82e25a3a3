"""Holds a running gateway against the official openai client.

    python3 openai_client.py BASE_URL MODEL...

Lists the models, then chats with each one named, in one piece and streaming.
Prints one line per check; an assertion that fails ends it.
"""

import sys

import openai

QUESTION = [{"role": "user", "content": "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"}]


def check_list(client, wanted):
    """Every model can be listed and fetched: by its id, a recipe also by its name."""
    listed = {model.id: model for model in client.models.list()}
    known = {getattr(model, "name", None): model for model in listed.values()} | listed
    for name in wanted:
        assert name in known, f"{name} is not listed: {sorted(listed)}"
        one = client.models.retrieve(name)
        assert one.id == known[name].id and one.object == "model" and one.created == known[name].created
    print(f"ok: {len(listed)} models listed")


def check_whole(client, name):
    """A reply in one piece, and the same again: temperature 0 is greedy."""
    replies = [
        client.chat.completions.create(model=name, messages=QUESTION, temperature=0, max_tokens=24) for _ in range(2)
    ]
    first = replies[0]
    assert first.object == "chat.completion" and first.model == name, first
    assert len(first.choices) == 1 and first.choices[0].message.role == "assistant", first
    assert first.choices[0].finish_reason in ("stop", "length"), first
    usage = first.usage
    assert usage.prompt_tokens > 0 and 0 < usage.completion_tokens <= 24, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
    text = first.choices[0].message.content
    assert text == replies[1].choices[0].message.content, "greedy replies differ"
    return text, first.choices[0].finish_reason


def check_stream(client, name, text, reason):
    """The stream adds up to the reply in one piece."""
    stream = client.chat.completions.create(
        model=name, messages=QUESTION, temperature=0, max_tokens=24, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    *body, last = chunks
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert body[0].choices[0].delta.role == "assistant", body[0]
    assert last.choices == [] and last.usage.completion_tokens > 0, last
    pieces = [chunk.choices[0].delta.content or "" for chunk in body]
    assert "\ufffd" not in "".join(pieces), "half a character was sent"
    assert "".join(pieces) == text, f"{''.join(pieces)!r} != {text!r}"
    reasons = [chunk.choices[0].finish_reason for chunk in body]
    assert reasons[-1] == reason and not any(reasons[:-1]), reasons


def check_sampling(client, name):
    """A seed makes a sampled reply reproducible, and n asks for several."""

    def sample(seed):
        reply = client.chat.completions.create(
            model=name, messages=QUESTION, temperature=1.0, top_p=0.95, seed=seed, n=2, max_tokens=16
        )
        assert [choice.index for choice in reply.choices] == [0, 1], reply
        return [choice.message.content for choice in reply.choices]

    assert sample(7) == sample(7), "the same seed gave another reply"


def check_recipe(client):
    """A recipe in the request is merged, served under its id, and merged once."""
    yaml = """
        merge_method: ties
        base_model: base
        models:
          - model: ja-general
            parameters: {weight: 0.5, density: [1, 0.5]}
          - model: en-math-a
            parameters:
              weight: [{filter: mlp, value: 1}, {value: 0.25}]
        dtype: bfloat16
    """
    json = {"method": "task_arithmetic", "base_model": "base", "sources": [{"model": "ja-general", "weight": 0.75}]}
    for recipe, label in [(yaml, "mine"), (json, "")]:
        replies = [
            client.chat.completions.create(
                model=label, messages=QUESTION, temperature=0, max_tokens=8, extra_body={"recipe": recipe})
            for _ in range(2)
        ]
        made = replies[0].system_fingerprint
        assert made.startswith("recipe-") and made == replies[1].system_fingerprint, replies
        assert replies[0].model == (label or made), replies[0]
        again = client.chat.completions.create(model=made, messages=QUESTION, temperature=0, max_tokens=8)
        assert len({reply.choices[0].message.content for reply in [*replies, again]}) == 1
    try:
        client.chat.completions.create(model="", messages=QUESTION, extra_body={"recipe": yaml.replace("density", "dense")})
        raise SystemExit("a recipe with an unknown parameter was accepted")
    except openai.BadRequestError as error:
        assert error.param == "recipe.models[0].parameters.dense" and "line 6" in error.body["message"], error.body
    print("ok: recipes in requests")


def check_errors(client, name):
    """Errors arrive as the client's own exceptions, with OpenAI's fields."""
    try:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)
        raise SystemExit("an unknown model was accepted")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and error.param == "model", error.body
    try:
        client.chat.completions.create(model=name, messages=QUESTION, temperature=-1)
        raise SystemExit("a negative temperature was accepted")
    except openai.BadRequestError as error:
        assert error.param == "temperature", error.body
    print("ok: errors")


def main():
    base_url, *names = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    check_list(client, names)
    for name in names:
        text, reason = check_whole(client, name)
        check_stream(client, name, text, reason)
        check_sampling(client, name)
        print(f"ok: {name}: {text}")
    check_recipe(client)
    check_errors(client, names[0])


if __name__ == "__main__":
    main()
