#!/usr/bin/env python3
"""Converts a model for llama.cpp with its own convert_hf_to_gguf.py, to float32.

Run by scripts/bench exports:  exports_gguf.py FOLDER FILE

The converter knows tokenizers of BPE by a list of how they cut a text before they
merge; one that is not on it, as that of the miniature models, is refused. Then this
says so and converts with llama.cpp's "default" in its place: configuration, weights and
vocabulary are converted as they are, and ids mean what they mean, but llama.cpp would
cut texts otherwise.
"""

import sys

import convert_hf_to_gguf
from conversion.base import TextModel


def main(folder, file):
    sys.argv = [sys.argv[0], folder, "--outtype", "f32", "--outfile", file]
    try:
        convert_hf_to_gguf.main()
        print("converter: takes it as it is")
    except NotImplementedError as e:
        if "pre-tokenizer" not in str(e):
            raise
        TextModel.get_vocab_base_pre = lambda self, tokenizer: "default"
        convert_hf_to_gguf.main()
        print(f"converter: its list of tokenizers lacks this one ({e}); with another's way to cut texts it takes the rest")


if __name__ == "__main__":
    main(*sys.argv[1:3])
