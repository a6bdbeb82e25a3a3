// The few functions of llguidance that this package calls, as its release 1.9.1
// declares them in llguidance.h; TestTheLibraryIsTheOneDeclared holds the two
// together. They are in libtokenizers.a, see scripts/native.
#ifndef MERGEWAY_CONSTRAIN_NATIVE_H
#define MERGEWAY_CONSTRAIN_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LlgTokenizer LlgTokenizer;
typedef struct LlgMatcher LlgMatcher;

typedef struct {
	size_t max_items_in_row;
	uint64_t initial_lexer_fuel;
	uint64_t step_lexer_fuel;
	size_t step_max_items;
	size_t max_lexer_states;
	size_t max_grammar_size;
	bool precompute_large_lexemes;
	bool verbose_errors;
} LlgParserLimits;

typedef struct {
	const LlgTokenizer *tokenizer;
	uint32_t log_buffer_level;
	uint32_t log_stderr_level;
	bool ff_tokens_ok;
	bool backtrack_ok;
	LlgParserLimits limits;
} LlgConstraintInit;

typedef struct {
	size_t struct_size;
	uint32_t vocab_size;
	uint32_t tok_eos;
	const uint32_t *token_lens;
	const uint8_t *token_bytes;
	const char *tokenizer_json;
	bool tokenize_assumes_string;
	size_t (*tokenize_fn)(const void *, const uint8_t *, size_t, uint32_t *, size_t);
	bool use_approximate_greedy_tokenize_fn;
	const void *tokenize_user_data;
	const char *const *slices;
	const uint32_t *tok_eos_extra;
	uint32_t tok_eos_extra_count;
} LlgTokenizerInitV2;

const char *llg_get_version(void);
LlgTokenizer *llg_new_tokenizer_v2(const LlgTokenizerInitV2 *init, char *error, size_t error_len);
void llg_free_tokenizer(LlgTokenizer *);
LlgMatcher *llg_new_matcher(const LlgConstraintInit *init, const char *type, const char *data);
LlgMatcher *llg_clone_matcher(const LlgMatcher *);
void llg_free_matcher(LlgMatcher *);
const char *llg_matcher_get_error(LlgMatcher *);
int32_t llg_matcher_compute_mask_into(LlgMatcher *, uint32_t *mask, size_t mask_bytes);
int32_t llg_matcher_validate_tokens(LlgMatcher *, const uint32_t *tokens, size_t n);
int32_t llg_matcher_consume_token(LlgMatcher *, uint32_t token);
bool llg_matcher_is_accepting(LlgMatcher *);
bool llg_matcher_is_stopped(const LlgMatcher *);

// The structures are filled in here, because Go must not give C a structure of
// its own that points to other memory of Go's.

static inline LlgTokenizer *constrain_new_tokenizer(uint32_t tokens, const uint32_t *lens, const uint8_t *bytes,
		const uint32_t *eos, uint32_t eos_count, char *error, size_t error_len) {
	LlgTokenizerInitV2 init = {0};
	init.struct_size = sizeof init;
	init.vocab_size = tokens;
	init.tok_eos = eos_count > 0 ? eos[0] : UINT32_MAX; // UINT32_MAX: none
	init.token_lens = lens;
	init.token_bytes = bytes;
	// No text is ever forced on the model, so nothing is tokenized.
	init.use_approximate_greedy_tokenize_fn = true;
	if (eos_count > 1) {
		init.tok_eos_extra = eos + 1;
		init.tok_eos_extra_count = eos_count - 1;
	}
	return llg_new_tokenizer_v2(&init, error, error_len);
}

static inline LlgMatcher *constrain_new_matcher(const LlgTokenizer *tokenizer, LlgParserLimits limits,
		const char *type, const char *data) {
	LlgConstraintInit init = {0}; // logs nothing
	init.tokenizer = tokenizer;
	init.limits = limits;
	return llg_new_matcher(&init, type, data);
}

#endif
