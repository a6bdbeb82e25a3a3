# shellcheck shell=bash disable=SC2034,SC2154
# Where scripts/bench engine and merge keep what they compare with. Source it after
# scripts/lib.sh; it changes nothing on disk.

peers=$repo/scripts/peers
bench=$cache/bench
tools=$bench/tools     # a venv with numpy, cmake and ninja
llama=$bench/llama     # programs and libraries of llama.cpp
vllm=$bench/vllm       # a venv with vLLM
model=$bench/model     # a Hugging Face folder
gguf=$bench/model.gguf # the same for llama.cpp
mergemodels=$bench/merge-models # folders 0, the base, to 3
mergekit=$bench/mergekit       # a venv with mergekit
