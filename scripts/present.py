#!/usr/bin/env python3
"""Shows the gateway's JSON to people: the eyes of scripts/run.

Reads the API's reply on standard input where it needs one. Only the standard
library. `present.py COMMAND --help` lists the arguments of each command.
"""

import argparse
import glob
import json
import os
import random
import re
import socket
import sys
import unicodedata

INDENT = "    "


def free_port(args):
    """Print the first port from PORT on that nobody listens on."""
    for port in range(args.port, min(args.port + 50, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            print(port)
            return
    sys.exit(1)


def field(args):
    """Print one field of an object."""
    print(json.load(sys.stdin)[args.name])


def names(_):
    """Print the names in a list of models."""
    print(", ".join(model["id"] for model in json.load(sys.stdin)["data"]))


def spec(args):
    """Print the search in FILE with another seed."""
    with open(args.file, encoding="utf-8") as source:
        search = json.load(source)
    search["seed"] = args.seed
    print(json.dumps(search))


# --- a search --------------------------------------------------------------------


def events(lines):
    """Yield (id, data) of each server-sent event."""
    number, data = None, []
    for line in lines:
        line = line.rstrip("\n")
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            data.append(value)
        elif line == "" and data:
            yield number, json.loads("\n".join(data))
            number, data = None, []


def percent(score):
    return f"{100 * score['accuracy']:5.1f} ± {100 * score['stderr']:.1f} %"


def show_event(event, trials):
    """Say what an event tells; a trial only where the line can be written over."""
    kind = event["type"]
    if kind == "trial":
        trial = event["trial"]
        if sys.stdout.isatty():
            done = trial["number"] + 1
            bar = "█" * (30 * done // trials) + "░" * (30 - 30 * done // trials)
            print(f"\r{INDENT}{bar} trial {done}/{trials}", end="", flush=True)
    elif kind == "generation":
        g = event["generation"]
        print(f"\r{INDENT}generation {g['generation'] + 1:3}  best {g['best']:.3f}  mean {g['mean']:.3f}  step size {g['sigma']:.3f}   ", flush=True)
    elif kind == "validation":
        f = event["finalist"]
        who = f"trial {f['trial'] + 1}" if "trial" in f else "final mean"
        how = percent(f["validation"]) if "validation" in f else f["failure"]
        print(f"{INDENT}validation: {who:<11} {how}", flush=True)
    elif kind == "test":
        row = event["row"]
        print(f"{INDENT}test: {row['name']:<11} {percent(row['score']) if 'score' in row else row['failure']}", flush=True)
    elif kind == "state":
        print(f"\r{INDENT}search is {event['state']}{': ' + event['reason'] if event.get('reason') else ''}" + " " * 30, flush=True)
    elif kind == "published":
        print(f"{INDENT}published: {event['winner']['model']} as \"{event['winner'].get('alias', '')}\"", flush=True)


def progress(args):
    """Follow the events of a search; the number of the last one seen goes to descriptor 3.

    The exit status says how it ended: 0 the search is done, 1 the stream broke
    off before its end, 2 the search failed or was cancelled.
    """
    last, state = args.after, ""
    for number, event in events(sys.stdin):
        last = number
        if event["type"] == "state":
            state = event["state"]
        show_event(event, args.trials)
    with os.fdopen(3, "w") as out:
        print(last, file=out)
    sys.exit({"done": 0, "failed": 2, "cancelled": 2}.get(state, 1))


def scores(_):
    """Print the table of scores of a search on the test problems."""
    search = json.load(sys.stdin)
    kinds = {"base": "base", "source": "source", "average": "plain average", "winner": "evolved merge"}
    print(f"{INDENT}{'model':<12} {'kind':<14} {'correct':>13} {'number right':>13} {'in Japanese':>12}  problems")
    for row in search["scores"]:
        if "score" not in row:
            print(f"{INDENT}{row['name']:<12} {kinds[row['role']]:<14} failed: {row['failure']}")
            continue
        s = row["score"]
        print(
            f"{INDENT}{row['name']:<12} {kinds[row['role']]:<14} {percent(s):>13} {100 * s['number_right']:>11.1f} %"
            f" {100 * s['language_right']:>10.1f} %  {s['problems']:>8}"
        )


def cast(_):
    """Print the models that a search was about, the winner last."""
    search = json.load(sys.stdin)
    print("\n".join([search["spec"]["base"], *search["spec"]["sources"], search["winner"].get("alias") or search["winner"]["model"]]))


# --- questions ---------------------------------------------------------------------

STORIES = [
    ("+", "{who}さんは{what}を{a}{c}持っています。{b}{c}もらいました。全部で何{c}ですか。"),
    ("-", "店に{what}が{a}{c}あります。{who}さんが{b}{c}買いました。何{c}残っていますか。"),
    ("×", "{who}さんは{a}人に{what}を{b}{c}ずつ配りました。全部で何{c}配りましたか。"),
]
WHO = ["太郎", "花子", "健", "由美", "直樹", "明", "美咲", "翔"]
WHAT = [("りんご", "個"), ("みかん", "個"), ("本", "冊"), ("ノート", "冊"), ("鉛筆", "本"), ("切手", "枚")]


def numbers(operation):
    """Draw two numbers whose calculation is hard: it carries, borrows or multiplies."""
    while True:
        if operation == "×":
            return random.randint(3, 20), random.randint(3, 9)
        a, b = random.randint(10, 89), random.randint(10, 89)
        if a + b > 99 or a % 10 + b % 10 < 10:
            continue
        return (a, b) if operation == "+" else (a + b, b)


def fresh_question(operation, story, asked):
    """Draw a problem that is in none of the task's splits."""
    while True:
        a, b = numbers(operation)
        what, counter = random.choice(WHAT)
        text = story.format(who=random.choice(WHO), what=what, c=counter, a=a, b=b)
        if text not in asked:
            return text, {"+": a + b, "-": a - b, "×": a * b}[operation]


def questions(args):
    """Print fresh problems, one for each operation: answer, tab, question."""
    asked = set()
    for path in glob.glob(os.path.join(args.task, "*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            asked |= {json.loads(line)["question"] for line in lines if line.strip()}
    for operation, story in STORIES:
        text, answer = fresh_question(operation, story, asked)
        print(f"{answer}\t{text}")


def ask(args):
    """Print the body of a chat request."""
    body = {"model": args.model, "temperature": 0, "max_tokens": 48, "messages": [{"role": "user", "content": args.question}]}
    print(json.dumps(body, ensure_ascii=False))


def reply(args):
    """Print the reply to a chat request, marked right or wrong."""
    text = json.load(sys.stdin)["choices"][0]["message"]["content"].strip()
    japanese = any(unicodedata.name(c, "").startswith(("HIRAGANA", "KATAKANA", "CJK")) for c in text)
    found = re.findall(r"\d+", text)
    right = japanese and bool(found) and found[-1] == args.answer
    print(f"{INDENT}{'✓' if right else '✗'} {args.model:<11} {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, run, *arguments):
        sub = commands.add_parser(name, help=run.__doc__.splitlines()[0], description=run.__doc__)
        sub.set_defaults(run=run)
        for argument, kind in arguments:
            sub.add_argument(argument, type=kind)

    command("free-port", free_port, ("port", int))
    command("field", field, ("name", str))
    command("names", names)
    command("spec", spec, ("file", str), ("seed", int))
    command("progress", progress, ("after", int), ("trials", int))
    command("scores", scores)
    command("cast", cast)
    command("questions", questions, ("task", str))
    command("ask", ask, ("model", str), ("question", str))
    command("reply", reply, ("model", str), ("answer", str))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
