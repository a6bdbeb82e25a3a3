"""mergekit-evolve's strategy on recipes that a search of mergeway tried: mergekit
merges each to disk, transformers loads it, and it answers the same problems. In one
process that stays, with everything imported before the clock starts."""

import argparse
import json
import pathlib
import re
import tempfile
import time

import torch
import transformers
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge

ROWS = 128  # problems answered together


def evaluate(folder, prompts, answers, limit):
    began = time.monotonic()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    loaded = time.monotonic()
    right = 0
    with torch.inference_mode():
        for at in range(0, len(prompts), ROWS):
            texts = prompts[at:at + ROWS] if tokenizer.chat_template is None else [tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True)
                     for q in prompts[at:at + ROWS]]
            batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            batch.pop("token_type_ids", None)
            out = model.generate(**batch, max_new_tokens=limit, do_sample=False, pad_token_id=tokenizer.pad_token_id)
            replies = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1]:], skip_special_tokens=True)
            for reply, answer in zip(replies, answers[at:at + ROWS]):
                numbers = re.findall(r"-?\d+", reply)
                right += bool(numbers) and numbers[-1] == answer
    return loaded - began, time.monotonic() - loaded, right


def with_paths(value, models):
    """The recipe with its models' names as paths: mergekit looks names up at Hugging Face."""
    if isinstance(value, dict):
        return {k: str(models / v) if k in ("model", "base_model") else with_paths(v, models) for k, v in value.items()}
    return [with_paths(v, models) for v in value] if isinstance(value, list) else value


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--recipes", type=pathlib.Path, required=True)
    p.add_argument("--models", type=pathlib.Path, required=True)
    p.add_argument("--task", type=pathlib.Path, required=True)
    p.add_argument("--out", type=pathlib.Path, required=True)
    a = p.parse_args()
    limit = yaml.safe_load((a.task / "task.yaml").read_text())["max_tokens"]
    problems = [json.loads(line) for line in (a.task / "search.jsonl").read_text().splitlines()]
    prompts, answers = [q["question"] for q in problems], [q["answer"] for q in problems]
    done = []
    for recipe in sorted(a.recipes.glob("*.yaml"), key=lambda f: int(f.stem)):
        config = yaml.safe_load(recipe.read_text())
        config = with_paths({k: v for k, v in config.items() if k not in ("mergeway", "name")}, a.models)
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            run_merge(MergeConfiguration.model_validate(config), folder, MergeOptions(copy_tokenizer=True, quiet=True))
            merged = time.monotonic() - began
            load, answer, right = evaluate(folder, prompts, answers, limit)
        done.append({"trial": int(recipe.stem), "merge": merged, "load": load, "answer": answer, "right": right})
        print(done[-1], flush=True)
    a.out.write_text(json.dumps({"problems": len(problems), "candidates": done, "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
