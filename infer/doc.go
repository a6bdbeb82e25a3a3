// Package infer runs models: many sequences at a time, on one device.
//
// [Weights] are a model's parameters resident on the device; a [Model] is
// weights with the tokenizer and chat template that go with them; the [Engine]
// takes requests for any number of models and decodes them in batches. Weights
// are arguments of compiled programs, so a model that was merged a moment ago
// runs at once: nothing is compiled for it.
//
// The one idea is that all rows of a KV cache are written at the same column.
// Sequences are aligned at their newest token, each row knows at which column it
// begins, and a step of decoding is one update of one column, in place, without a
// scatter. What joins a running batch (a prompt that has been computed in a cache
// of its own, a saved prefix) is copied in beside that column.
//
// Start reading at engine.go (what callers see) and schedule.go (whose turn it
// is); then batch.go (what decodes), prefill.go (how prompts are computed) and
// prefix.go (what is kept of them); view.go, see.go and gallery.go are about the
// pictures in them. The scheduler sees the device through the
// small interface of computer.go; device_computer.go and programs.go implement
// it. sequence.go, sampling.go, sample.go and beam.go are about one reply, and
// embed.go about prompts that want none.
package infer
