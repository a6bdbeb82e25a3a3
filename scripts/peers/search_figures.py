"""Runs the same search on a gateway alone, with one worker and with two, each on a
core of its own, and writes what their trials took; or one over larger models. Uses
nothing but Python."""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

SPEC = {
    "task": "ja-math", "base": "base", "sources": ["ja-general", "en-math-a", "en-math-b"],
    "method": "task_arithmetic", "population": 24, "validate_top": 1, "seed": 7,
}
RECIPES = 6  # for the peer, which is slow
WARM_UP = 48  # trials of each process before it is measured

# The same with models of 1.1 billion parameters, which are random: what they reply
# means nothing, and takes as long as if it did.
LARGE = {
    "task": "words", "base": "0", "sources": ["1", "2", "3"], "method": "dare_ties", "population": 4, "trials": 8,
    "validate_top": 1, "seed": 7,
}
LARGE_RECIPES = 1  # a minute and a half each, and no two differ by much
WORDS = {"search": 16, "validation": 4, "test": 4}  # problems of each split


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        text = reply.read()
    return json.loads(text) if "json" in reply.headers["Content-Type"] else text.decode()


def wait(what, done, limit=300):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            found = done()
            if found:
                return found
        time.sleep(0.1)
    raise SystemExit(f"{what} took more than {limit} s")


@contextlib.contextmanager
def running(command, log):
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def latencies(url, n=60):
    """Seconds that a user waits for an answer, asking one question after another."""
    out = []
    for i in range(n):
        body = {"model": "ja-general", "temperature": 0, "max_tokens": 48,
                "messages": [{"role": "user", "content": f"太郎さんはりんごを{10 + i}個持っています。{20 + i}個もらいました。全部で何個ですか。"}]}
        began = time.monotonic()
        call(url + "/v1/chat/completions", body)
        out.append(time.monotonic() - began)
    return out


def pinned(core, command):
    return command if core is None else ["taskset", "-c", str(core), *command]


def search(a, out, name, workers, cores):
    """One search; the wall time from the first trial to the last, and the trials."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port, args = free_port(), []
        common = ["--models", str(a.models), "--tasks", str(a.tasks)]
        if workers:
            redis = free_port()
            stack.enter_context(running(
                ["redis-server", "--bind", "127.0.0.1", "--port", str(redis), "--dir", folder, "--save", "", "--appendonly", "yes"],
                out / f"{name}-redis.log"))
            args = ["--redis", f"redis://127.0.0.1:{redis}/0", "--redis-wait", "30s"]
        serve = [str(a.mergeway), "serve", "--addr", f"127.0.0.1:{port}", "--data", folder, *common, *args]
        if workers:
            serve.append("--workers-only")
        stack.enter_context(running(serve, out / f"{name}-gateway.log"))
        url = f"http://127.0.0.1:{port}"
        wait("starting the gateway", lambda: urllib.request.urlopen(url + "/readyz", timeout=5).status == 200)
        for i in range(workers):
            stack.enter_context(running(
                pinned(cores[i], [str(a.mergeway), "worker", *common, *args]), out / f"{name}-worker-{i}.log"))
        if workers:
            wait("starting the workers", lambda: len(call(url + "/v1/workers")["data"]) == workers)
        # A first search compiles, in each process; what it finds is nothing to us.
        first = call(url + "/v1/searches", {**SPEC, "name": "warm-up", "trials": WARM_UP * max(1, workers), "seed": 1})
        wait("warming up", lambda: call(f"{url}/v1/searches/{first['id']}")["state"] == "done")
        users = {}
        if not workers:
            latencies(url, 5)
            users["alone"] = latencies(url)
            beside = call(url + "/v1/searches", {**SPEC, "name": "beside", "trials": 5000, "seed": 2})
            wait("a trial", lambda: call(f"{url}/v1/searches/{beside['id']}")["progress"]["trials"] > 0)
            users["beside"] = latencies(url)
            call(f"{url}/v1/searches/{beside['id']}/cancel", {})
        s = call(url + "/v1/searches", {**SPEC, "name": name, "trials": a.trials})
        at = f"{url}/v1/searches/{s['id']}"
        wait("the search", lambda: call(at)["state"] not in ("queued", "running"), 1800)
        trials = call(f"{at}/trials?limit=1000")["data"]
        if len(trials) != a.trials or any("failure" in t for t in trials):
            raise SystemExit(f"{name}: {len(trials)} trials, {sum('failure' in t for t in trials)} failed")
        if not workers:
            recipes = out / "recipes"
            recipes.mkdir()
            for t in trials[:RECIPES]:
                (recipes / f"{t['number']}.yaml").write_text(call(f"{at}/trials/{t['number']}/recipe?format=yaml"))
        return {"trials": trials, "users": users}


def write_words(folder):
    """A task for models whose tokens are the words w0 ... w31999."""
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text('name: words\nmetric: exact_match\nformat: text\nprompt: "{question}"\nmax_tokens: 24\n')
    number = 0
    for split, count in WORDS.items():
        lines = []
        for _ in range(count):
            question = " ".join(f"w{3 + (number * 48 + i) * 7919 % 31000}" for i in range(48))
            lines.append(json.dumps({"id": str(number), "question": question, "answer": f"w{number}"}))
            number += 1
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def large(a, out):
    """A search over models that are large for this machine."""
    write_words(out / "tasks" / "words")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        serve = [str(a.mergeway), "serve", "--addr", f"127.0.0.1:{port}", "--data", folder,
                 "--models", str(a.large), "--tasks", str(out / "tasks"), "--budget", "16GiB"]
        stack.enter_context(running(serve, out / "large-gateway.log"))
        url = f"http://127.0.0.1:{port}"
        wait("starting the gateway", lambda: urllib.request.urlopen(url + "/readyz", timeout=5).status == 200)
        s = call(url + "/v1/searches", {**LARGE, "name": "large"})
        at = f"{url}/v1/searches/{s['id']}"
        wait("the search", lambda: call(at)["progress"]["trials"] >= LARGE["trials"] or call(at)["state"] not in ("queued", "running"), 1800)
        trials = call(f"{at}/trials?limit=1000")["data"]
        if len(trials) != LARGE["trials"] or any("failure" in t for t in trials):
            raise SystemExit(f"large: {len(trials)} trials, {sum('failure' in t for t in trials)} failed")
        recipes = out / "large-recipes"
        recipes.mkdir()
        for t in trials[:LARGE_RECIPES]:
            (recipes / f"{t['number']}.yaml").write_text(call(f"{at}/trials/{t['number']}/recipe?format=yaml"))
        call(at + "/cancel", {})
        return {"trials": trials}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--mergeway", type=pathlib.Path, required=True)
    p.add_argument("--models", type=pathlib.Path, required=True)
    p.add_argument("--tasks", type=pathlib.Path, required=True)
    p.add_argument("--trials", type=int, required=True)
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--large", type=pathlib.Path, help="only the search over these models")
    a = p.parse_args()
    if a.large:
        (a.out / "large.json").write_text(json.dumps(large(a, a.out)))
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two workers need two cores")
    for name, workers in [("alone", 0), ("one", 1), ("two", 2)]:
        (a.out / f"{name}.json").write_text(json.dumps(search(a, a.out, name, workers, cores)))


if __name__ == "__main__":
    main()
