#!/usr/bin/env python3
"""Measures vLLM on the model of model.py and writes the figures as JSON: what
scripts/peers/mergeway does with mergeway.

Run by scripts/bench engine, in a venv with vLLM:  vllm_figures.py --model FOLDER --out FILE
"""

import argparse
import json
import os
import pathlib
import time

import vllm


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--model", type=pathlib.Path, required=True)
    a.add_argument("--out", type=pathlib.Path, required=True)
    a.add_argument("--reply", type=int, default=64)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--greedy-prompts", type=int, default=8)
    a.add_argument("--greedy-tokens", type=int, default=32)
    a = a.parse_args()

    prompts = [list(map(int, line.split())) for line in (a.model / "prompts.txt").read_text().splitlines()]
    vocabulary = json.loads((a.model / "config.json").read_text())["vocab_size"]
    llm = vllm.LLM(
        str(a.model), dtype="bfloat16", max_model_len=1024, max_num_seqs=len(prompts) - 1, skip_tokenizer_init=True,
        enable_prefix_caching=False, kv_cache_memory_bytes=2 << 30)
    calls = 0

    def generate(prompts, tokens):
        sampling = vllm.SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True, detokenize=False)
        outputs = llm.generate([{"prompt_token_ids": p} for p in prompts], sampling, use_tqdm=False)
        replies = [list(o.outputs[0].token_ids) for o in outputs]
        if any(len(r) != tokens for r in replies):
            raise SystemExit(f"replies have {sorted({len(r) for r in replies})} tokens, asked for {tokens}")
        return replies

    def fresh(prompts):
        """Other prompts at each call: nothing that was computed for an earlier one can be used again."""
        nonlocal calls
        calls += 1
        return [[3 + (i - 3 + 1009 * calls) % (vocabulary - 3) for i in p] for p in prompts]

    seconds = {}
    for round in range(a.rounds + 1):  # the first one warms up
        for name, some, tokens in [
                ("long", prompts[:1], 1),
                ("one_first", prompts[1:2], 1), ("one", prompts[1:2], a.reply),
                ("many_first", prompts[1:], 1), ("many", prompts[1:], a.reply)]:
            some = fresh(some)
            began = time.perf_counter()
            generate(some, tokens)
            if round:
                seconds.setdefault(name, []).append(time.perf_counter() - began)
    greedy = [generate([p], a.greedy_tokens)[0] for p in prompts[1:1 + a.greedy_prompts]]
    a.out.write_text(json.dumps({
        "engine": "vLLM", "version": vllm.__version__, "seconds": seconds, "greedy": greedy,
        "preload": os.environ.get("LD_PRELOAD", "")}) + "\n")


if __name__ == "__main__":
    main()
