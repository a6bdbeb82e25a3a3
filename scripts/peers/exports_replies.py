#!/usr/bin/env python3
"""Prints what a model answers greedily, as token ids, a line for each of some texts.

Run by scripts/bench exports, in a venv with vLLM:  exports_replies.py transformers|vllm FOLDER

The first also leaves the prompts' ids in the folder's prompts.txt, which the others read.
"""

import os
import pathlib
import sys

TEXTS = [
    "店に鉛筆が74本あります。明さんが25本買いました。何本残っていますか。",
    "Tom has 27 apples and gets 35 more. How many apples does he have now?",
    "74-25=49なので、答えは49本です。",
]
TOKENS = 24


def by_transformers(folder):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompts = [[model.config.bos_token_id] + tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
    (folder / "prompts.txt").write_text("".join(" ".join(map(str, ids)) + "\n" for ids in prompts))
    for ids in prompts:
        said = []
        for _ in range(TOKENS):  # past the end of a reply, as the others are asked to
            with torch.no_grad():
                said.append(int(model(torch.tensor([ids + said])).logits[0, -1].argmax()))
        yield said


def by_vllm(folder):
    import vllm

    prompts = [list(map(int, line.split())) for line in (folder / "prompts.txt").read_text().splitlines()]
    # Its tokenizer is loaded as well, and the model card's numbers are what they are.
    llm = vllm.LLM(str(folder), dtype="float32", max_model_len=256, max_num_seqs=4, enforce_eager=True, kv_cache_memory_bytes=64 << 20)
    sampling = vllm.SamplingParams(temperature=0, max_tokens=TOKENS, ignore_eos=True)
    for output in llm.generate([{"prompt_token_ids": p} for p in prompts], sampling, use_tqdm=False):
        yield list(output.outputs[0].token_ids)


def main():
    # What libraries print to standard output is no reply.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    replies = {"transformers": by_transformers, "vllm": by_vllm}[sys.argv[1]]
    for said in replies(pathlib.Path(sys.argv[2])):
        print(*said, file=out)


if __name__ == "__main__":
    main()
