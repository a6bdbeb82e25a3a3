// Package tokenizer turns text into token ids and back, exactly as the model's
// tokenizer.json says: the work is done by Hugging Face's own library through
// daulet/tokenizers.
//
// Two decisions are made here and nowhere else. Text is encoded either with the
// names of special tokens recognised (templates) or as plain text (anything a
// user wrote): see [Tokenizer.Encode]. And ids are turned into text as they
// come, holding back bytes until a character is whole: see [Stream].
package tokenizer
