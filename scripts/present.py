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
import socket
import sys
import unicodedata

INDENT = "    "


def free_port(args):
    """Prints the first port from PORT on that nobody listens on."""
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
    """Prints one field of an object."""
    print(json.load(sys.stdin)[args.name])


def names(_):
    """Prints the names in a list of models."""
    print(", ".join(model["id"] for model in json.load(sys.stdin)["data"]))


# --- questions ------------------------------------------------------------------------

STORIES = [
    ("+", "{who}さんは{what}を{a}{c}持っています。{b}{c}もらいました。全部で何{c}ですか。"),
    ("-", "店に{what}が{a}{c}あります。{who}さんが{b}{c}買いました。何{c}残っていますか。"),
    ("×", "{who}さんは{a}人に{what}を{b}{c}ずつ配りました。全部で何{c}配りましたか。"),
]
WHO = ["太郎", "花子", "健", "由美", "直樹", "明", "美咲", "翔"]
WHAT = [("りんご", "個"), ("みかん", "個"), ("本", "冊"), ("ノート", "冊"), ("鉛筆", "本"), ("切手", "枚")]


def fresh_question(operation, story, asked):
    """Draws a problem that is in none of the task's splits."""
    while True:
        if operation == "+":
            a, b = random.randint(20, 59), random.randint(11, 39)
        elif operation == "-":
            a = random.randint(40, 99)
            b = random.randint(11, a - 11)
        else:
            a, b = random.randint(3, 20), random.randint(3, 9)
        what, counter = random.choice(WHAT)
        text = story.format(who=random.choice(WHO), what=what, c=counter, a=a, b=b)
        if text not in asked:
            return text, {"+": a + b, "-": a - b, "×": a * b}[operation]


def questions(args):
    """Prints fresh problems of the task in folder TASK, one for each operation: answer, tab, question."""
    asked = set()
    for path in glob.glob(os.path.join(args.task, "*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            asked |= {json.loads(line)["question"] for line in lines if line.strip()}
    for operation, story in STORIES:
        text, answer = fresh_question(operation, story, asked)
        print(f"{answer}\t{text}")


def ask(args):
    """Prints the body of a chat request."""
    body = {"model": args.model, "temperature": 0, "max_tokens": 48, "messages": [{"role": "user", "content": args.question}]}
    print(json.dumps(body, ensure_ascii=False))


def reply(args):
    """Prints the reply to a chat request, marked right or wrong."""
    text = json.load(sys.stdin)["choices"][0]["message"]["content"].strip()
    japanese = any(unicodedata.name(c, "").startswith(("HIRAGANA", "KATAKANA", "CJK")) for c in text)
    numbers = "".join(c if c.isascii() and c.isdigit() else " " for c in text).split()
    right = japanese and bool(numbers) and numbers[-1] == args.answer
    print(f"{INDENT}{'✓' if right else '✗'} {args.model:<14} {text}")
