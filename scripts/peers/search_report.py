"""Makes the table of scripts/bench search of what was measured."""

import argparse
import datetime
import json
import pathlib
import statistics

from report import machine

MARKERS = "<!-- search:begin -->", "<!-- search:end -->"


def seconds(trial):
    return datetime.datetime.fromisoformat(trial["at"].replace("Z", "+00:00")).timestamp()


def per_minute(trials):
    """Trials a minute, between the first that was done and the last."""
    return 60 * (len(trials) - 1) / (seconds(trials[-1]) - seconds(trials[0]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("results", type=pathlib.Path)
    p.add_argument("--commit", default="unknown")
    p.add_argument("--write", type=pathlib.Path)
    a = p.parse_args()

    users = json.loads((a.results / "alone.json").read_text())["users"]
    waits = {k: statistics.median(v) for k, v in users.items()}
    runs = {name: json.loads((a.results / f"{name}.json").read_text())["trials"] for name in ("alone", "one", "two")}
    alone = runs["alone"]
    merge = statistics.median(t["merge_seconds"] for t in alone)
    answer = statistics.median(t["answer_seconds"] for t in alone)
    overhead = [seconds(t) - seconds(before) - t["merge_seconds"] - t["answer_seconds"] for before, t in zip(alone, alone[1:])]
    rates = {name: per_minute(trials) for name, trials in runs.items()}
    same = all([t["genome"], t.get("outcomes")] == [u["genome"], u.get("outcomes")] for name in ("one", "two") for t, u in zip(alone, runs[name]))
    lines = [
        f"{datetime.date.today()}, {machine()}. mergeway {a.commit}. {len(alone)} trials of task_arithmetic over three miniature sources in generations of 24, "
        f"{alone[0]['score']['problems']} problems each; the first search of each process, which compiles, is not counted.", "",
        "| | |", "|---|---:|",
        f"| a trial: merge and swap, median | {1000 * merge:.1f} ms, {100 * merge / (merge + answer):.1f} % |",
        f"| a trial: answering, median | {1000 * answer:.0f} ms |",
        f"| what the service adds to a trial, median (largest) | {1000 * statistics.median(overhead):.1f} ms ({1000 * max(overhead):.0f} ms) |",
        f"| trials a minute, gateway alone on both cores | {rates['alone']:.1f} |",
        f"| trials a minute, one worker on one core | {rates['one']:.1f} |",
        f"| trials a minute, two workers on a core each | {rates['two']:.1f}: **{rates['two'] / rates['one']:.2f}** times one |",
        f"| a user's answer, median: alone, and beside a search | {1000 * waits['alone']:.0f} ms, {1000 * waits['beside']:.0f} ms: **{waits['beside'] / waits['alone']:.2f}** times |",
        f"| the same trials with the same verdicts, three ways | {'yes' if same else 'NO'} |",
    ]
    evolve = a.results / "evolve.json"
    if evolve.exists():
        peer = json.loads(evolve.read_text())
        done = peer["candidates"]
        parts = {k: statistics.median(c[k] for c in done) for k in ("merge", "load", "answer")}
        rate = 60 / statistics.median(c["merge"] + c["load"] + c["answer"] for c in done)
        pairs = [(c["right"], round(alone[c["trial"]]["score"]["number_right"] * peer["problems"])) for c in done]
        lines += [
            f"| trials a minute, merged to disk, loaded, evaluated by mergekit and transformers | {rate:.1f}: mergeway makes **{rates['alone'] / rate:.0f}** times as many |", "",
            f"mergekit's strategy: {len(done)} of the same recipes, medians of {parts['merge']:.2f} s to merge, {parts['load']:.2f} s to load, "
            f"{parts['answer']:.1f} s to answer (transformers {peer['transformers']}, 128 problems at once). "
            f"Right numbers there and here: {', '.join(f'{x} and {y}' for x, y in pairs)}.",
        ]
    large, theirs = a.results / "large.json", a.results / "large-evolve.json"
    if large.exists() and theirs.exists():
        trials, done = json.loads(large.read_text())["trials"], json.loads(theirs.read_text())["candidates"]
        parts = {k: statistics.median(c[k] for c in done) for k in ("merge", "load", "answer")}
        here, there = per_minute(trials), 60 / sum(parts.values())
        merge, answer = (statistics.median(t[k] for t in trials[1:]) for k in ("merge_seconds", "answer_seconds"))
        lines += [
            "", f"With three sources of 1.1 billion parameters, `dare_ties`, {trials[0]['score']['problems']} problems of 48 tokens and replies of 24:", "",
            "| | mergeway | mergekit, transformers |", "|---|---:|---:|",
            f"| merge, s | {merge:.2f} | {parts['merge']:.1f} |",
            f"| load, s | – | {parts['load']:.1f} |",
            f"| answer, s | {answer:.2f} | {parts['answer']:.1f} |",
            f"| trials a minute | {here:.1f}: **{here / there:.0f}** times as many | {there:.2f} |",
        ]
    print("\n".join(lines))
    if a.write:
        text = a.write.read_text()
        begin, end = (text.find(m) for m in MARKERS)
        if not 0 <= begin < end:
            raise SystemExit(f"{a.write} lacks the lines {' … '.join(MARKERS)}")
        a.write.write_text(text[:begin] + "\n".join([MARKERS[0], *lines, ""]) + text[end:])


if __name__ == "__main__":
    main()
