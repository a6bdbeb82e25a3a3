#!/usr/bin/env python3
"""Writes the model that the engines are compared on: the shapes of TinyLlama 1.1B
with random weights in bfloat16, as a Hugging Face folder, and the prompts that they
answer. The same bytes every time.

The tokenizer's tokens are the words w0 ... w31999, so that a text tells its ids.

Needs numpy. Run by scripts/bench engine:  model.py FOLDER
"""

import json
import os
import pathlib
import sys

import numpy as np

CONFIG = dict(
    architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", hidden_size=2048,
    intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4, head_dim=64,
    vocab_size=32000, max_position_embeddings=2048, rms_norm_eps=1e-5, rope_theta=10000.0,
    tie_word_embeddings=False, attention_bias=False, mlp_bias=False, torch_dtype="bfloat16",
    bos_token_id=1, eos_token_id=2)
SPREAD = 0.02  # standard deviation of the weights, as models are initialised
SEED = 1
LONG, SHORT, ROWS = 512, 32, 32  # tokens, tokens, prompts


def shapes(c):
    """The parameters of a Llama, in the order of the file."""
    width, inner, kv = c["hidden_size"], c["intermediate_size"], c["num_key_value_heads"] * c["head_dim"]
    heads = c["num_attention_heads"] * c["head_dim"]
    out = {"lm_head.weight": (c["vocab_size"], width), "model.embed_tokens.weight": (c["vocab_size"], width)}
    for i in range(c["num_hidden_layers"]):
        for name, shape in {
            "input_layernorm": (width,), "mlp.down_proj": (width, inner), "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width), "post_attention_layernorm": (width,), "self_attn.k_proj": (kv, width),
            "self_attn.o_proj": (width, heads), "self_attn.q_proj": (heads, width), "self_attn.v_proj": (kv, width),
        }.items():
            out[f"model.layers.{i}.{name}.weight"] = shape
    return out | {"model.norm.weight": (width,)}


def bfloat16(x):
    """The bits of float32 values rounded to the nearest bfloat16."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_weights(path, tensors):
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(SEED)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for shape in tensors.values():
            if len(shape) == 1:
                values = np.ones(shape, np.float32)
            else:
                values = random.standard_normal(shape, np.float32) * np.float32(SPREAD)
            f.write(bfloat16(values).tobytes())


def write_tokenizer(folder, c):
    vocab = {f"w{i}": i for i in range(c["vocab_size"])}
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"}})
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "w0",
        "model_max_length": c["max_position_embeddings"]})


def write_prompts(path, c):
    """Token ids, one prompt a line: a long one, then as many short ones as are answered at once."""
    random = np.random.default_rng(SEED)
    prompts = [random.integers(3, c["vocab_size"], n) for n in [LONG] + [SHORT] * ROWS]
    path.write_text("".join(" ".join(map(str, p)) + "\n" for p in prompts))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def main():
    final = pathlib.Path(sys.argv[1])
    folder = final.with_name(final.name + ".part")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", CONFIG)
    write_tokenizer(folder, CONFIG)
    write_prompts(folder / "prompts.txt", CONFIG)
    write_weights(folder / "model.safetensors", shapes(CONFIG))
    os.rename(folder, final)


if __name__ == "__main__":
    main()
