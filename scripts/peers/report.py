#!/usr/bin/env python3
"""Makes the table of scripts/bench engine from what the engines' measurements
wrote, prints it, and puts it between the markers in BENCHMARKS.md."""

import argparse
import datetime
import json
import pathlib
import re
import statistics

MARKERS = "<!-- engine:begin -->", "<!-- engine:end -->"
NAMES = {"mergeway": "mergeway", "search": "mergeway, a search's", "llama": "llama.cpp", "vllm": "vLLM"}

BUSY = 0.05  # share of the cores that others may use before the figures are doubted


class Work:
    """What every engine was given."""

    def __init__(self, model):
        c = json.loads((model / "config.json").read_text())
        prompts = (model / "prompts.txt").read_text().splitlines()
        self.long, self.short, self.rows, self.reply = len(prompts[0].split()), len(prompts[1].split()), len(prompts) - 1, 64
        # Parameters that a step multiplies with: all but the embedding and the norms.
        width, kv = c["hidden_size"], c["num_key_value_heads"] * c["head_dim"]
        self.layers = c["num_hidden_layers"] * width * (2 * width + 2 * kv + 3 * c["intermediate_size"])
        self.head = c["vocab_size"] * width

    def figures(self, seconds):
        """Tokens per second of each round, from the seconds of its five calls."""
        s, n = seconds, self.reply
        return {
            "prompt": [self.long / t for t in s["long"]],
            "one": [(n - 1) / (all - first) for all, first in zip(s["one"], s["one_first"])],
            "many": [self.rows * (n - 1) / (all - first) for all, first in zip(s["many"], s["many_first"])],
            "whole": [self.rows * n / t for t in s["many"]],
        }


def read(folder, work):
    engines = {}
    for name in ["mergeway", "llama", "vllm"]:
        path = folder / f"{name}.json"
        if not path.exists() or not path.stat().st_size:
            continue
        e = json.loads(path.read_text())
        e["figures"] = e.get("figures") or work.figures(e["seconds"])
        e["others"] = json.loads((folder / f"{name}.watched.json").read_text())["others"]
        engines[name] = e
        if "background" in e:
            engines["search"] = {"figures": work.figures(e["background"]), "others": e["others"]}
    return engines


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}"


def table(engines, work, memory, gemm):
    median = {name: {k: statistics.median(v) for k, v in e["figures"].items()} for name, e in engines.items()}
    peers = [p for p in ["llama", "vllm"] if p in engines]

    def row(title, cells, ratios):
        return "| " + " | ".join([title, *cells, *ratios]) + " |"

    out = [row("", [NAMES[e] for e in engines], [f"mergeway / {NAMES[p]}" for p in peers]),
           row("---", ["---:"] * len(engines), ["---:"] * len(peers))]
    flops = 2 * work.layers  # of a prompt's token; the head is for the last one only
    read_bytes = 2 * (work.layers + work.head)
    for key, title, share in [
            ("prompt", f"prompt of {work.long} tokens, tok/s", ("of XLA's bare product", flops / gemm / 1e9)),
            ("one", "one sequence, reply, tok/s", ("of the memory's bandwidth", read_bytes / memory / 1e9)),
            ("many", f"{work.rows} sequences, replies, tok/s", None),
            ("whole", f"{work.rows} sequences, with their prompts, tok/s", None)]:
        out.append(row(title, [number(m[key]) for m in median.values()],
                       [f"**{median['mergeway'][key] / median[p][key]:.2f}**" for p in peers]))
        if share:
            out.append(row(f"… {share[0]}", [f"{100 * m[key] * share[1]:.0f} %" for m in median.values()], [""] * len(peers)))
    spread = [max((max(v) - min(v)) / statistics.median(v) for v in e["figures"].values()) for e in engines.values()]
    out.append(row("widest spread of the rounds", [f"{100 * s:.0f} %" for s in spread], [""] * len(peers)))
    out.append(row("cores used by others meanwhile", [f"{100 * e['others']:.0f} %" for e in engines.values()], [""] * len(peers)))
    return out


def agreement(engines):
    """How long the greedy replies are the same, for each two engines."""
    names = [e for e in engines if "greedy" in engines[e]]
    out = []
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            pairs = list(zip(engines[a]["greedy"], engines[b]["greedy"]))
            first = sum(x[:1] == y[:1] for x, y in pairs)
            same = sum(next((k for k, (s, t) in enumerate(zip(x, y)) if s != t), len(x)) for x, y in pairs)
            asked = sum(len(x) for x, _ in pairs)
            out.append(f"{NAMES[a]} and {NAMES[b]}: {first} of {len(pairs)} first tokens, {same} of {asked} tokens before they part")
    return out


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    models = re.findall(r"^model name\s*: (.*)$", info, re.M)
    total = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 2**20
    kinds = [k for k in ["avx2", "avx512f", "avx512_bf16", "amx_bf16"] if re.search(rf"\b{k}\b", info)]
    return f"{len(models)} × {models[0]} ({', '.join(kinds)}), {total:.0f} GiB"


def put(path, markers, lines):
    """Puts lines between two markers of a file."""
    text = path.read_text()
    begin, end = (text.find(m) for m in markers)
    if not 0 <= begin < end:
        raise SystemExit(f"{path} lacks the lines {' … '.join(markers)}")
    path.write_text(text[:begin] + "\n".join([markers[0], *lines, ""]) + text[end:])


def main():
    a = argparse.ArgumentParser()
    a.add_argument("results", type=pathlib.Path)
    a.add_argument("--model", type=pathlib.Path, required=True)
    a.add_argument("--memory", type=float, required=True, help="GB/s")
    a.add_argument("--threads", type=int, required=True)
    a.add_argument("--missing", default="")
    a.add_argument("--versions", nargs=3, required=True)
    a.add_argument("--write", type=pathlib.Path)
    a = a.parse_args()

    work = Work(a.model)
    engines = read(a.results, work)
    mergeway = engines["mergeway"]
    gemm = mergeway["gemm_gflops"]
    here = [v.replace("COMMIT", engines[name].get("commit", "")) for v, name in zip(a.versions, ["mergeway", "llama", "vllm"])
            if name in engines]
    lines = [
        f"{datetime.date.today()}, {machine()}, {a.threads} threads on the same cores for each. {'; '.join(here)}.", "",
        *table(engines, work, a.memory, gemm), "",
        f"The cores read {a.memory:.1f} GB/s from memory (`scripts/peers/bandwidth.c`), and XLA multiplies "
        f"{gemm:,.0f} GFLOP/s (512 rows with a weight of the feed-forward net, {mergeway['dtype'].lower()}). "
        f"Greedy replies to {len(mergeway['greedy'])} prompts from the same weights: {'; '.join(agreement(engines)) or 'nobody to compare with'}.",
    ]
    if a.missing.strip():
        lines += ["", f"Not measured, because it could not be installed or did not run: {', '.join(NAMES[m] for m in a.missing.split())}."]
    if max(e["others"] for e in engines.values()) > BUSY:
        lines += ["", "**Others used the cores meanwhile: these ratios say little.** Run it again on a quiet machine."]
    if mergeway["late_compiles"]:
        lines += ["", f"mergeway compiled {mergeway['late_compiles']} programs while it was measured."]
    print("\n".join(lines))
    if a.write:
        put(a.write, MARKERS, lines)


if __name__ == "__main__":
    main()
