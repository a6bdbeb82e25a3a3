// Package chat turns a conversation into the token ids that a model was trained
// to see. Every model brings its own template, a Jinja program in its folder;
// it runs here under limits, without access to files.
//
// The one idea: the template's own text may name control tokens, the text of
// users may not. Both are encoded apart, so that a user who types "[INST]" or
// "</s>" has typed letters.
package chat
