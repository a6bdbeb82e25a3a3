// Prints what llama.cpp answers greedily: reads prompts as token ids, one a line,
// and prints a line of ids for each.
//
//   llama-tokens MODEL.gguf THREADS TOKENS <prompts

#include "llama.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

int main(int argc, char ** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: llama-tokens MODEL.gguf THREADS TOKENS <prompts\n");
        return 2;
    }
    const int threads = std::atoi(argv[2]), tokens = std::atoi(argv[3]);
    llama_log_set([](ggml_log_level level, const char * text, void *) {
        if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
    }, nullptr);
    llama_backend_init();
    llama_model * model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model) return 1;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 1024;
    params.n_threads = params.n_threads_batch = threads;
    llama_context * context = llama_init_from_model(model, params);
    if (!context) return 1;
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));

    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream numbers(line);
        std::vector<llama_token> next;
        for (llama_token t; numbers >> t;) next.push_back(t);
        llama_memory_clear(llama_get_memory(context), true);
        for (int i = 0; i < tokens; i++) {
            if (llama_decode(context, llama_batch_get_one(next.data(), (int32_t) next.size()))) return 1;
            const float * logits = llama_get_logits_ith(context, -1);
            next = {(llama_token) (std::max_element(logits, logits + vocabulary) - logits)};
            std::printf("%s%d", i ? " " : "", next[0]);
        }
        std::printf("\n");
    }
}
