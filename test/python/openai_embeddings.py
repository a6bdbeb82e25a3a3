"""Holds a gateway's embeddings against the official openai client.

    python3 openai_embeddings.py BASE_URL MODEL...

Prints one line per check; an assertion that fails ends it.
"""

import asyncio
import math
import sys

import openai

TEXTS = ["There are 26 flowers in the box.", "There are 27 flowers in the box.", "太郎さんはりんごを持っています。"]


def near(a, b, tolerance=1e-6):
    return len(a) == len(b) and all(abs(x - y) <= tolerance for x, y in zip(a, b))


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


def check_vectors(client, model):
    """The client asks for base64 by itself, and gets the numbers of the plain form."""
    coded = client.embeddings.create(model=model, input=TEXTS)
    plain = client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert coded.object == "list" and coded.model == model, coded
    assert [e.index for e in coded.data] == [0, 1, 2] and {e.object for e in coded.data} == {"embedding"}, coded
    assert coded.usage.prompt_tokens == coded.usage.total_tokens > len(TEXTS), coded.usage
    for one, other in zip(coded.data, plain.data):
        assert near(one.embedding, other.embedding) and abs(math.hypot(*one.embedding) - 1) < 1e-5, model
    a, b, c = (e.embedding for e in plain.data)
    assert cosine(a, b) > cosine(a, c), "two sentences that are nearly one, and one of another language"
    return plain.data


def check_forms(client, model, data):
    """A text alone, its tokens, fewer dimensions, and the length that vectors have by themselves."""
    one = client.embeddings.create(model=model, input=TEXTS[0]).data[0].embedding
    assert near(one, data[0].embedding, 1e-2), "what shares the batch changes nothing but the last digits"
    tokens = client.post("/tokenize", body={"model": model, "prompt": TEXTS[0]}, cast_to=object)["tokens"]
    assert near(client.embeddings.create(model=model, input=tokens).data[0].embedding, one, 1e-2)
    short = client.embeddings.create(model=model, input=TEXTS[0], dimensions=8).data[0].embedding
    length = math.hypot(*one[:8])
    assert near(short, [x / length for x in one[:8]], 1e-4), short
    whole = client.embeddings.create(model=model, input=TEXTS[0], extra_body={"normalize": False}).data[0].embedding
    assert cosine(whole, one) > 0.999 and abs(math.hypot(*whole) - 1) > 0.01, whole
    last = client.embeddings.create(model=model, input=TEXTS[0], extra_body={"pooling": "last"}).data[0].embedding
    assert cosine(last, one) < 0.999, "the last token is not the average"


def check_errors(client, model):
    for param, fields in [
        ("input", {"input": []}), ("input", {"input": ""}), ("dimensions", {"dimensions": 10**6}),
        ("pooling", {"extra_body": {"pooling": "cls"}}), ("input", {"input": [10**9]}),
    ]:
        try:
            client.embeddings.create(**({"model": model, "input": "a"} | fields))
            raise SystemExit(f"{fields} was accepted")
        except openai.BadRequestError as error:
            assert error.param == param, error.body
    try:
        client.embeddings.create(model=model, input="7 " * 1000)
        raise SystemExit("an input longer than the context was accepted")
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded" and error.param == "input", error.body


async def check_many(base_url, model):
    """More texts than the engine has slots for, in requests that run side by side."""
    client = openai.AsyncOpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    texts = [f"{i} and {i * i}" for i in range(100)]
    replies = await asyncio.gather(*(client.embeddings.create(model=model, input=texts) for _ in range(3)))
    for reply in replies:
        assert [e.index for e in reply.data] == list(range(100))
        for e, other in zip(reply.data, replies[0].data):
            assert cosine(e.embedding, other.embedding) > 0.999, e.index
    assert cosine(replies[0].data[3].embedding, replies[0].data[97].embedding) < 0.999
    print(f"ok: {model}: {3 * len(texts)} texts in three requests at once")


def main():
    base_url, *models = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key="none", timeout=120, max_retries=0)
    for model in models:
        data = check_vectors(client, model)
        check_forms(client, model, data)
        print(f"ok: {model}: vectors of {len(data[0].embedding)} numbers")
    check_errors(client, models[0])
    print("ok: errors")
    asyncio.run(check_many(base_url, models[0]))


if __name__ == "__main__":
    main()
