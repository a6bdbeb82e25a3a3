#!/usr/bin/env python3
"""Measures llama.cpp with its own llama-bench and llama-batched-bench, and asks
llama-tokens for greedy replies; writes figures as JSON.

Run by scripts/bench engine:  llama_figures.py --bin FOLDER --gguf FILE --model FOLDER --threads N --out FILE
"""

import argparse
import json
import pathlib
import subprocess


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bin", type=pathlib.Path, required=True)
    a.add_argument("--gguf", required=True)
    a.add_argument("--model", type=pathlib.Path, required=True)
    a.add_argument("--out", type=pathlib.Path, required=True)
    a.add_argument("--threads", default="2")
    a.add_argument("--reply", type=int, default=64)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--greedy-prompts", type=int, default=8)
    a.add_argument("--greedy-tokens", type=int, default=32)
    a = a.parse_args()

    def run(tool, *options, **kind):
        command = [a.bin / tool, *map(str, options)]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **kind).stdout

    prompts = (a.model / "prompts.txt").read_text().splitlines()
    long, short, rows = len(prompts[0].split()), len(prompts[1].split()), len(prompts) - 1
    # Both warm up by themselves.
    prompt = json.loads(run("llama-bench", "-m", a.gguf, "-t", a.threads, "-p", long, "-n", 0, "-r", a.rounds, "-o", "json"))
    figures = {"prompt": prompt[0]["samples_ts"], "one": [], "many": [], "whole": []}
    context = rows * (short + a.reply)
    for _ in range(a.rounds):
        lines = run("llama-batched-bench", "-m", a.gguf, "-t", a.threads, "-c", context, "-npp", short, "-ntg", a.reply,
                    "-npl", f"1,{rows}", "--output-format", "jsonl", stderr=subprocess.DEVNULL)
        one, many = (json.loads(line) for line in lines.splitlines() if line.startswith("{"))
        figures["one"].append(one["speed_tg"])
        figures["many"].append(many["speed_tg"])
        figures["whole"].append(rows * a.reply / (many["t_pp"] + many["t_tg"]))
    asked = "\n".join(prompts[1:1 + a.greedy_prompts]) + "\n"
    greedy = run("llama-tokens", a.gguf, a.threads, a.greedy_tokens, input=asked)
    a.out.write_text(json.dumps({
        "engine": "llama.cpp", "commit": prompt[0]["build_commit"], "figures": figures,
        "greedy": [list(map(int, line.split())) for line in greedy.splitlines()],
    }) + "\n")


if __name__ == "__main__":
    main()
