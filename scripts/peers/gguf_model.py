#!/usr/bin/env python3
"""Writes the model of model.py as GGUF, the same bits: what llama.cpp's own
convert_hf_to_gguf.py makes of a Llama, but for the tokenizer, which nothing here uses.

Needs numpy and the gguf package of llama.cpp's source.
Run by scripts/bench engine:  gguf_model.py FOLDER FILE
"""

import json
import os
import pathlib
import sys

import gguf
import numpy as np

NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.down_proj": "ffn_down",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output"}
ENDS = {"lm_head.weight": "output.weight", "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight"}


def rename(name):
    if name in ENDS:
        return ENDS[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def interleave(values, heads):
    """llama.cpp turns neighbouring pairs by the rotary embedding, Hugging Face the two halves of a head."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


def main():
    folder, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    c = json.loads((folder / "config.json").read_text())
    w = gguf.GGUFWriter(out + ".part", "llama")
    w.add_name("synthetic 1.1B")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_rope_dimension_count(c["head_dim"])
    w.add_rope_freq_base(c["rope_theta"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default")
    w.add_token_list([f"w{i}" for i in range(c["vocab_size"])])
    w.add_token_types([gguf.TokenType.NORMAL] * c["vocab_size"])
    w.add_token_merges(["w 0"])
    w.add_bos_token_id(c["bos_token_id"])
    w.add_eos_token_id(c["eos_token_id"])

    data = np.memmap(folder / "model.safetensors", np.uint8, "r")
    length = int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:8 + length].tobytes())
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + x for x in info["data_offsets"])
        values = data[begin:end].view("<u2").reshape(info["shape"])
        if values.ndim == 1:  # the converter keeps norms in float32
            w.add_tensor(rename(name), (values.astype(np.uint32) << 16).view(np.float32))
            continue
        if "q_proj" in name:
            values = interleave(values, c["num_attention_heads"])
        if "k_proj" in name:
            values = interleave(values, c["num_key_value_heads"])
        w.add_tensor(rename(name), values.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    os.rename(out + ".part", out)


if __name__ == "__main__":
    main()
