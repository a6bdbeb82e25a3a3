// Package zoo raises the paper's cast in miniature: a base model, a Japanese
// model that cannot calculate, and two English models that can, all of one
// architecture, small enough to train on two CPU cores while one waits. None of
// them can answer a hard Japanese word problem; a merge of them can.
//
// Everything comes from a generator of text with fixed seeds: the tokenizer,
// the training texts, and the problems that searches are scored on, which no
// training text contains. No text holds a wrong statement: a model fails
// because of what it was not taught, never because of what it was mistaught.
//
// The package reads from top to bottom: world (the words), problem and sample
// (the texts), split and tasks (what is kept apart), diet and pack (how texts
// become batches), bpe and tokenizer_files (how they become tokens), trainer,
// adamw and schedule (how models learn), cast (who learns what), export and
// card (what is left on disk).
package zoo
