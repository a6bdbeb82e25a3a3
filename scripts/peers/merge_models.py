#!/usr/bin/env python3
"""Writes the models that merges are compared on: a base, which is the model of
scripts/bench engine, and three that are fine-tuned from it as far as anybody can tell
by their numbers: every weight a little off, in bfloat16. The same bytes every time.

Needs numpy. Run by scripts/bench merge:  merge_models.py MODEL FOLDER
"""

import json
import os
import pathlib
import shutil
import sys

import numpy as np

import model

SOURCES = 3
CHANGE = 0.05  # of the weights' spread
CHUNK = 1 << 24  # numbers at a time


def write_source(base, path, seed):
    random = np.random.default_rng(seed)
    spread = np.float32(CHANGE * model.SPREAD)
    with open(base, "rb") as f, open(path, "wb") as out:
        length = f.read(8)
        header = f.read(int.from_bytes(length, "little"))
        assert all(t["dtype"] == "BF16" for name, t in json.loads(header).items() if name != "__metadata__")
        out.write(length + header)
        while data := f.read(2 * CHUNK):
            bits = np.frombuffer(data, "<u2").astype(np.uint32) << 16
            values = bits.view(np.float32)
            out.write(model.bfloat16(values + spread * random.standard_normal(len(values), np.float32)).tobytes())


def main():
    base, final = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder = final.with_name(final.name + ".part")
    shutil.rmtree(folder, ignore_errors=True)
    for i in range(SOURCES + 1):
        (folder / str(i)).mkdir(parents=True)
        for file in base.iterdir():
            if file.name == "model.safetensors":
                if i:
                    write_source(file, folder / str(i) / file.name, i)
                else:
                    os.link(file, folder / str(i) / file.name)
            elif file.name != "prompts.txt":
                shutil.copy(file, folder / str(i))
    os.rename(folder, final)


if __name__ == "__main__":
    main()
