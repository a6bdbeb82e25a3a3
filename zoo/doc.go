// Package zoo raises the paper's cast in miniature: a base model, a Japanese
// model that cannot calculate, and two English models that can, all of one
// architecture, small enough to train on two CPU cores while one waits. None of
// them can answer a hard Japanese word problem; a merge of them can. A second
// company is that of the paper's second half: a model that sees pictures and speaks
// of them in English, and a Japanese model that has only read of pictures.
//
// Everything comes from a generator of text with fixed seeds: the tokenizer,
// the training texts, and the problems that searches are scored on, which no
// training text contains. No text holds a wrong statement: a model fails
// because of what it was not taught, never because of what it was mistaught.
//
// The package reads from top to bottom: world (the words), problem, scene and
// sample (the texts), paint (the pictures), split, tasks and tasks_pictures (what
// is kept apart), diet and pack (how texts become batches), bpe and
// tokenizer_files (how they become tokens), trainer, sight, adamw and schedule
// (how models learn), cast, cast_pictures and class (who learns what), export,
// processor and card (what is left on disk).
package zoo
