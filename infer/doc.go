// Package infer runs models: many sequences at a time, on one device.
//
// [Weights] are a model's parameters resident on the device; a [Model] is
// weights with the tokenizer and chat template that go with them; the [Engine]
// takes requests for any number of models and decodes them in batches. Weights
// are arguments of compiled programs, so a model that was merged a moment ago
// runs at once: nothing is compiled for it.
//
// The engine's unit of work is the [cohort]: requests for the same weights that
// were waiting at the same time. They are prefilled together, share a KV cache,
// and advance together; cohorts take turns, users' before a search's. Start
// reading at engine.go, then cohort.go.
package infer
