"""Runs the searches of searches.json through the API of a gateway of its own, and
prints a table of what they found. Uses nothing but Python."""

import argparse
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

END = {"done", "failed", "cancelled", "paused"}


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as e:
        raise SystemExit(f"{url}: {e.read().decode()}") from None


@contextlib.contextmanager
def gateway(a, data):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with open(pathlib.Path(data) / "gateway.log", "wb") as log:
        process = subprocess.Popen(
            [a.mergeway, "serve", "--addr", f"127.0.0.1:{port}", "--data", data,
             "--models", f"{a.repo}/zoo/models", "--tasks", f"{a.repo}/zoo/tasks"], stdout=log, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url + "/readyz", timeout=5)
                break
            if process.poll() is not None:
                raise SystemExit(f"the gateway ended; see {data}/gateway.log")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def follow(url, search):
    """Waits for a search, and says how far it is."""
    while True:
        s = call(f"{url}/v1/searches/{search}")
        best = s["progress"].get("best")
        print(f"\r    {s['spec']['name']}: {s['state']}, {s['progress']['trials']} trials, best {best['fitness']:.3f}   " if best else
              f"\r    {s['spec']['name']}: {s['state']}   ", end="", file=sys.stderr, flush=True)
        if s["state"] in END:
            print(file=sys.stderr)
            if s["state"] != "done":
                raise SystemExit(f"the search is {s['state']}: {s.get('reason')}")
            return s
        time.sleep(1)


def row(name, s):
    """What a search found, on the test problems of its tasks."""
    w = s["winner"]
    scores = w["test"], *[t["score"] for t in s_tasks(s)[1:]]
    cells = [f"{100 * x['accuracy']:.1f} ± {100 * x['stderr']:.1f} %" for x in scores]
    interval = f"{100 * w['test']['low']:.1f}–{100 * w['test']['high']:.1f} %"
    path = s["winner"]["recipe"].get("path")
    found = f"path of {len(path)} hops" if path else f"{len(s.get('front') or [])} on the front" if s.get("front") else ""
    return f"| {name} | {s['progress']['trials']} | {cells[0]} | {interval} | {cells[1] if len(cells) > 1 else ''} | {found} |"


def s_tasks(s):
    """The winner's scores on each task, where there are several."""
    winner = next(r for r in s["scores"] if r["role"] == "winner")
    return winner.get("tasks") or [{"score": winner["score"]}]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("only", nargs="*")
    p.add_argument("--mergeway", required=True)
    p.add_argument("--repo", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", type=pathlib.Path)
    a = p.parse_args()
    kinds = json.loads((pathlib.Path(a.repo) / "scripts" / "searches.json").read_text())
    kinds = [k for k in kinds if not a.only or set(k["rows"]) & set(a.only)]
    if not kinds:
        raise SystemExit(f"no search has such a row: {', '.join(a.only)}")
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
    rows = []
    with contextlib.ExitStack() as stack:
        data = str(a.keep) if a.keep else stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(gateway(a, data))
        for kind in kinds:
            print(f"==> {kind['title']}", file=sys.stderr)
            began = time.monotonic()
            search = call(f"{url}/v1/searches", {**kind["spec"], "seed": a.seed, **then(kind["spec"], a.seed)})["id"]
            for name in kind["rows"]:
                s = follow(url, search)
                r = row(name, s)
                if name == "swarm":
                    cells = call(f"{url}/v1/searches/{search}/cells?limit=1000")["data"]
                    r = r.rstrip("| ") + f", {len(cells)} cells |"
                rows.append(r)
                search = s.get("next")
            print(f"    {time.monotonic() - began:.0f} s", file=sys.stderr)
    print("| search | trials | Japanese problems | 95 % interval | English problems | |\n|---|---:|---:|---:|---:|---|")
    print("\n".join(rows))


def then(spec, seed):
    """The search that follows gets the seed, too."""
    return {"then": {**spec["then"], "seed": seed}} if "then" in spec else {}


if __name__ == "__main__":
    main()
