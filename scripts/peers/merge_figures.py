#!/usr/bin/env python3
"""Measures merges for scripts/bench merge: mergekit's and ours from disk to disk, and
ours of models on the device, by turns, so that all have the same share of whatever
else the machine does. Prints a table, and puts it between the markers in BENCHMARKS.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import report

MARKERS = "<!-- merge:begin -->", "<!-- merge:end -->"
WANTED = {"task_arithmetic": 20, "dare_ties": 80, "ties": 200}  # times as fast as mergekit's
WEIGHTS = [0.5, 0.3, 0.4]
DENSITY = 0.5
LEAST_SHARE, LEAST_DISK = 50, 3


def recipe(method, folder=""):
    """The same for both, but that mergekit wants to know where the models are."""
    sparse = method != "task_arithmetic"
    lines = [f"merge_method: {method}", f'base_model: "{folder}0"', "models:"]
    for i, weight in enumerate(WEIGHTS):
        density = f", density: {DENSITY}" if sparse else ""
        lines.append(f'  - {{model: "{folder}{i + 1}", parameters: {{weight: {weight}{density}}}}}')
    return "\n".join(lines + ["dtype: bfloat16", ""])


def measured(command, log, **options):
    """Runs a command; gives its seconds and its largest resident set, in bytes."""
    with open(log, "ab") as out:
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=out, **options)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
    if child.returncode:
        sys.exit(f"{command[0]} failed, see {log}")
    return seconds, used.ru_maxrss * 1024


def bandwidth(a):
    return float(subprocess.run([a.bandwidth, str(a.threads)], check=True, capture_output=True, text=True).stdout)


def measure(a):
    folder = a.results
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    methods = {m: {"mergekit": [], "disk": [], "resident": []} for m in WANTED}
    memory = [bandwidth(a)]
    for file in a.models.glob("*/model.safetensors"):  # nobody has to wait for the disk first
        with open(file, "rb") as f:
            while f.read(1 << 26):
                pass
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS")} | {
        "OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    for number in range(a.rounds):
        for method, figures in methods.items():
            path, theirs = folder / f"{method}.yaml", folder / f"{method}.mergekit.yaml"
            path.write_text(recipe(method))
            theirs.write_text(recipe(method, f"{a.models}/"))
            print(f"    round {number + 1} of {a.rounds}: {method}", flush=True)
            for name, command in {
                "mergekit": [a.mergekit, theirs, folder / "out"],
                "disk": [a.mergeway, "merge", path, "--models", a.models, "-o", folder / "out"],
            }.items():
                figures[name].append(measured(command, folder / f"{method}.{name}.log", env=environment))
                shutil.rmtree(folder / "out")
            out = folder / f"{method}.json"
            measured([a.mergers, "-models", a.models, "-recipe", path, "-out", out], folder / f"{method}.resident.log")
            figures["resident"].append(json.loads(out.read_text()))
            memory.append(bandwidth(a))
    return methods, max(memory)


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def table(methods, memory):
    names = list(methods)
    middle = {m: {k: statistics.median(s for s, _ in f[k]) for k in ["mergekit", "disk"]} for m, f in methods.items()}
    peak = {m: {k: max(b for _, b in f[k]) / 1e9 for k in ["mergekit", "disk"]} for m, f in methods.items()}
    kinds = {}
    for m, f in methods.items():
        runs = f["resident"]
        kinds[m] = {"first": statistics.median(r["first"] for r in runs)}
        for kind in ["weights", "densities"]:
            seconds = [s for r in runs for s in r[kind] or []]
            if seconds:
                kinds[m][kind] = statistics.median(seconds)
    rate = {m: methods[m]["resident"][0]["bytes"] / kinds[m]["weights"] / 1e9 for m in names}
    ms = lambda m, kind: f"{1000 * kinds[m][kind]:,.0f}" if kind in kinds[m] else "–"
    times = lambda x, wanted=0: f"**{x:,.0f}**" + (f" (wanted: {wanted})" if x < wanted else "")
    of = lambda f: [f(m) for m in names]
    return [
        row("", *names), row("---", *["---:"] * len(names)),
        row("mergekit, disk to disk, s", *of(lambda m: f"{middle[m]['mergekit']:.1f}")),
        row("mergeway, disk to disk, s", *of(lambda m: f"{middle[m]['disk']:.1f}")),
        row("… times as fast", *of(lambda m: times(middle[m]["mergekit"] / middle[m]["disk"], LEAST_DISK))),
        row("peak memory, mergekit / mergeway, GB", *of(lambda m: f"{peak[m]['mergekit']:.1f} / {peak[m]['disk']:.1f}")),
        row("resident, first candidate, ms", *of(lambda m: ms(m, "first"))),
        row("resident, other densities, ms", *of(lambda m: ms(m, "densities"))),
        row("resident, other weights, ms", *of(lambda m: ms(m, "weights"))),
        row("… times as fast as mergekit", *of(lambda m: times(middle[m]["mergekit"] / kinds[m]["weights"], WANTED[m]))),
        row("… GB/s read and written", *of(lambda m: f"{rate[m]:.1f}")),
        row("… of the memory's bandwidth", *of(lambda m: f"{100 * rate[m] / memory:.0f} %" + (f" (wanted: {LEAST_SHARE})" if 100 * rate[m] < LEAST_SHARE * memory else ""))),
    ]


def main():
    a = argparse.ArgumentParser()
    for name in ["models", "results", "mergekit", "mergeway", "mergers", "bandwidth"]:
        a.add_argument(f"--{name}", type=pathlib.Path, required=True)
    a.add_argument("--threads", type=int, required=True)
    a.add_argument("--rounds", type=int, required=True)
    a.add_argument("--versions", nargs="+", required=True)
    a.add_argument("--write", type=pathlib.Path)
    a = a.parse_args()
    methods, memory = measure(a)
    lines = [
        f"{datetime.date.today()}, {report.machine()}, {a.threads} threads. {'; '.join(a.versions)}.", "",
        *table(methods, memory), "",
        f"Medians of {a.rounds} rounds. The cores read {memory:.1f} GB/s from memory (`scripts/peers/bandwidth.c`).",
    ]
    print("\n".join(lines))
    if a.write:
        report.put(a.write, MARKERS, lines)


if __name__ == "__main__":
    main()
