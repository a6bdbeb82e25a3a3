"""Holds what a gateway says about tokens against the official openai client.

    python3 openai_generation.py BASE_URL MODEL

Log probabilities, echo, seeds, biases, the best of many, stop tokens, and what
was cached. Prints one line per check; an assertion that fails ends it.
"""

import json
import math
import re
import sys

import openai

QUESTION = [{"role": "user", "content": "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"}]
TEXT = "りんごは全部で"
EOS = 2  # </s> of the miniature models


def logprobs_of(reply):
    """The entries of a chat reply, which are consistent in themselves."""
    entries = reply.logprobs.content
    for entry in entries:
        assert math.isfinite(entry.logprob) and entry.logprob <= 0, entry
        assert bytes(entry.bytes).decode(errors="replace") == entry.token, entry
        values = [top.logprob for top in entry.top_logprobs]
        assert values == sorted(values, reverse=True), entry
    return [(entry.token, tuple(entry.bytes), round(entry.logprob, 3)) for entry in entries]


def check_chat(client, model):
    """A greedy reply's tokens are the most probable ones, and add up to it; streamed, too."""
    ask = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": 24, "logprobs": True, "top_logprobs": 3}
    whole = client.chat.completions.create(**ask)
    choice = whole.choices[0]
    entries = logprobs_of(choice)
    ended = choice.finish_reason == "stop"  # by a token that has no text
    assert len(entries) == whole.usage.completion_tokens - ended, (len(entries), whole.usage)
    raw = b"".join(bytes(entry.bytes) for entry in choice.logprobs.content)
    assert raw.decode().lstrip() == choice.message.content.lstrip(), (raw, choice.message.content)
    for entry in choice.logprobs.content:
        assert len(entry.top_logprobs) == 3 and entry.logprob == entry.top_logprobs[0].logprob, entry
    streamed = []
    for chunk in client.chat.completions.create(**ask, stream=True):
        if chunk.choices and chunk.choices[0].logprobs:
            streamed += logprobs_of(chunk.choices[0])
    assert [s[:2] for s in streamed] == [e[:2] for e in entries], (streamed, entries)
    print(f"ok: {len(entries)} tokens of a chat with log probabilities, whole and streamed")


def is_consistent(logprobs):
    """The four lists of a completion are equally long; gives that length."""
    lists = (logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset)
    assert len({len(each) for each in lists}) == 1, logprobs
    for value, top in zip(logprobs.token_logprobs, logprobs.top_logprobs):
        assert (value is None) == (top is None), logprobs
        assert value is None or math.isfinite(value) and max(top.values()) >= value, logprobs
    return len(logprobs.tokens)


def check_echo(client, model):
    """A text is scored: its tokens, and one more that lm-evaluation-harness drops."""
    ids = client.completions.create(model=model, prompt=TEXT, echo=True, logprobs=0, max_tokens=0, temperature=0)
    alone = ids.choices[0]
    assert alone.text == TEXT and ids.usage.completion_tokens == 0, ids
    n = is_consistent(alone.logprobs)
    assert n == ids.usage.prompt_tokens and alone.finish_reason == "length", ids
    assert alone.logprobs.token_logprobs[0] is None and math.isfinite(sum(alone.logprobs.token_logprobs[1:])), ids

    one = client.completions.create(model=model, prompt=TEXT, echo=True, logprobs=1, max_tokens=1, temperature=0)
    assert is_consistent(one.choices[0].logprobs) == n + 1, one
    assert one.choices[0].text.startswith(TEXT), one
    offsets = one.choices[0].logprobs.text_offset
    assert offsets == sorted(offsets) and offsets[-1] == len(TEXT), one
    value, top = one.choices[0].logprobs.token_logprobs[-1], one.choices[0].logprobs.top_logprobs[-1]
    assert value == max(top.values()), "greedy, and not the most probable"

    # What the model would say after the prompt is as probable in an echo.
    said = client.completions.create(model=model, prompt=TEXT, logprobs=1, max_tokens=6, temperature=0)
    again = client.completions.create(model=model, prompt=TEXT + said.choices[0].text, echo=True, logprobs=1, max_tokens=0)
    is_consistent(said.choices[0].logprobs)
    is_consistent(again.choices[0].logprobs)
    whole, parts = again.choices[0].logprobs, said.choices[0].logprobs
    if whole.tokens[n:] == parts.tokens:  # the text may be cut into other tokens
        for a, b in zip(whole.token_logprobs[n:], parts.token_logprobs):
            assert abs(a - b) < 0.05, (whole, parts)

    streamed = client.completions.create(model=model, prompt=TEXT, echo=True, logprobs=1, max_tokens=4, temperature=0, stream=True)
    tokens, text = 0, ""
    for chunk in streamed:
        text += chunk.choices[0].text
        tokens += is_consistent(chunk.choices[0].logprobs) if chunk.choices[0].logprobs else 0
    assert text.startswith(TEXT) and n < tokens <= n + 4, (text, tokens)
    print(f"ok: echo of {n} tokens, sum {sum(alone.logprobs.token_logprobs[1:]):.2f}")


def check_ids(client, model):
    """Token ids are taken as they are, and even the end of a text is one token of the reply."""
    reply = client.completions.create(
        model=model, prompt=[1, 300, 301], echo=True, logprobs=1, max_tokens=1, temperature=0, logit_bias={str(EOS): 100}
    )
    logprobs = reply.choices[0].logprobs
    assert is_consistent(logprobs) == 4 and reply.usage.prompt_tokens == 3, reply
    assert logprobs.tokens[-1] == "</s>" and reply.choices[0].finish_reason == "stop", reply
    print("ok: token ids")


def check_sampling(client, model):
    """Seeds, biases, lengths and stop tokens."""

    def sample(**more):
        reply = client.completions.create(model=model, prompt=TEXT, max_tokens=12, **more)
        return reply.choices[0].text

    assert sample(seed=11, temperature=1) == sample(seed=11, temperature=1), "the same seed gave another reply"
    assert len({sample(seed=seed, temperature=2) for seed in range(4)}) > 1, "seeds change nothing"
    assert sample(seed=1, temperature=2, extra_body={"top_k": 1}) == sample(temperature=0), "top_k 1 is greedy"

    forced = client.completions.create(model=model, prompt=TEXT, max_tokens=3, temperature=1, logprobs=0, logit_bias={"300": 100})
    tokens = forced.choices[0].logprobs.tokens
    assert len(tokens) == 3 and len(set(tokens)) == 1, f"a bias of 100 did not force its token: {tokens}"
    stopped = client.completions.create(
        model=model, prompt=TEXT, max_tokens=3, temperature=1, logit_bias={"300": 100}, extra_body={"stop_token_ids": [300]}
    )
    assert stopped.usage.completion_tokens == 1 and stopped.choices[0].text == "", stopped
    assert stopped.choices[0].finish_reason == "stop", stopped
    least = client.completions.create(
        model=model, prompt=TEXT, max_tokens=8, temperature=0, logit_bias={str(EOS): 100}, extra_body={"min_tokens": 5}
    )
    assert least.usage.completion_tokens == 6, f"five tokens, and then the end: {least.usage}"
    print("ok: sampling")


def check_best_of(client, model):
    """The best of many has the highest mean log probability per token."""

    def sample(**more):
        return client.completions.create(model=model, prompt=TEXT, max_tokens=8, temperature=1.5, seed=3, logprobs=0, **more)

    def mean(choice):
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    all_of_them = sample(n=4)
    best = sample(n=2, best_of=4)
    ranked = sorted(all_of_them.choices, key=mean, reverse=True)
    assert [choice.text for choice in best.choices] == [choice.text for choice in ranked[:2]], (best, ranked)
    assert best.usage.completion_tokens == all_of_them.usage.completion_tokens, (best.usage, all_of_them.usage)
    print("ok: best_of")


def check_cached(client, model):
    """A long beginning that two conversations share is computed once."""
    start = [{"role": "user", "content": TEXT * 12}, {"role": "assistant", "content": "はい。"}]

    def cached(last):
        reply = client.chat.completions.create(
            model=model, messages=[*start, {"role": "user", "content": last}], temperature=0, max_tokens=2
        )
        details = reply.usage.prompt_tokens_details
        assert details.cached_tokens < reply.usage.prompt_tokens, reply.usage
        return details.cached_tokens

    first, second = cached("3+4"), cached("5+6")
    assert first < second and second >= 32, (first, second)
    print(f"ok: {second} tokens of the prompt were cached")


def check_beams(client, model):
    """A beam search finds replies at least as probable as the greedy one, best first."""
    beams = client.completions.create(
        model=model, prompt=TEXT, max_tokens=8, n=3, extra_body={"use_beam_search": True, "ignore_eos": True}
    )
    texts = [choice.text for choice in beams.choices]
    assert len(set(texts)) == 3, texts
    narrow = client.completions.create(
        model=model, prompt=TEXT, max_tokens=8, extra_body={"use_beam_search": True, "ignore_eos": True}
    )
    greedy = client.completions.create(
        model=model, prompt=TEXT, max_tokens=8, temperature=0, extra_body={"ignore_eos": True}
    )
    assert narrow.choices[0].text == greedy.choices[0].text, (narrow, greedy)
    print("ok: beam search")


def check_formats(client, model):
    """A reply has the form that was asked for, whatever the model would rather say."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5}, "count": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }

    def say(stream=False, **more):
        got = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "3+4"}], max_tokens=200, seed=1, stream=stream, **more
        )
        if stream:
            return "".join(chunk.choices[0].delta.content or "" for chunk in got if chunk.choices)
        assert got.choices[0].finish_reason == "stop", got
        return got.choices[0].message.content

    format = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema, "strict": True}}
    for text in (say(response_format=format), say(response_format=format, stream=True), say(extra_body={"guided_json": schema})):
        thing = json.loads(text)
        assert set(thing) == {"name", "count"} and 0 <= thing["count"] <= 99 and len(thing["name"]) <= 5, thing
    assert say(extra_body={"guided_choice": ["はい", "いいえ"]}) in ("はい", "いいえ")
    assert re.fullmatch(r"[a-c]{3}-\d{2}", say(extra_body={"guided_regex": r"[a-c]{3}-\d{2}"}))
    print("ok: formats")


def check_errors(client, model):
    """What can't be honoured is refused with its name."""
    for param, more in (
        ("best_of", {"best_of": 2, "stream": True}),
        ("logprobs", {"logprobs": 21}),
        ("logit_bias", {"logit_bias": {"9999999": 1}}),
        ("stop_token_ids", {"extra_body": {"stop_token_ids": [9999999]}}),
        ("min_tokens", {"extra_body": {"min_tokens": 100}, "max_tokens": 5}),
        ("stream", {"extra_body": {"use_beam_search": True}, "stream": True}),
        ("guided_regex", {"extra_body": {"guided_regex": "("}}),
        ("suffix", {"suffix": "。"}),
    ):
        try:
            client.completions.create(model=model, prompt=TEXT, **more)
            raise SystemExit(f"{param} was accepted")
        except openai.BadRequestError as error:
            assert error.param == param, error.body
    print("ok: errors")


def main():
    base_url, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    for check in (check_chat, check_echo, check_ids, check_sampling, check_best_of, check_cached, check_beams, check_formats, check_errors):
        check(client, model)


if __name__ == "__main__":
    main()
