// Package gateway speaks HTTP: OpenAI's and Anthropic's APIs for models and
// chat, our own for recipes, aliases and searches, and three pages for people (a
// dashboard, the API reference, and the document behind it).
//
// Its one idea: the wire is a border. What arrives is untrusted and is turned,
// field by field, into the domain's own values (an infer.Request, a
// merge.Recipe, a search.Spec) before anything happens; what leaves is built
// from domain values by functions that stand next to the wire types. Nothing
// behind this package knows HTTP, and nothing in it knows tensors.
//
// Where things are:
//
//   - routes.go is the table of contents; gateway.go the type and its options
//   - models.go, chat.go, completions.go, embeddings.go, tokens.go, recipes.go,
//     aliases.go, searches.go, keys.go, search_events.go, health.go, docs.go
//     hold the handlers, one resource each; alias_moves.go says when and where
//     aliases are moved
//   - messages*.go and model_infos.go speak Anthropic's API: a translation to
//     chat, and back
//   - responses.go is the one that is a chat with other names: responses_*.go read
//     its items, keep them, and write them as events
//   - wire_*.go hold what is read and written, and its conversion
//   - recipe_body.go reads a recipe in any of its forms, inline_recipe.go one that comes
//     with a request to generate; card.go and card_page.go tell all about a model
//   - errors.go is the one table from fault codes to HTTP
//   - limits.go holds every limit, with the key that sets it
//   - stream.go writes server-sent events; generation.go drives the engine
//   - sampling.go and bias.go read how tokens are to be picked; logprobs.go,
//     completion_choice.go and best_of.go are what is made of their probabilities
//   - middleware.go, auth.go, scopes.go, meter.go, origin.go stand before every handler
//   - web/ holds the pages, embedded in the binary
package gateway

//	@title			mergeway
//	@version		1
//	@description	Serves models that are merged on demand, over OpenAI's API, and searches for better merges by evolution.
//	@description	Every reply with a status of 400 or above has the body {"error": {"message", "type", "param", "code"}}; at /v1/messages, Anthropic's.
//	@BasePath		/
//	@tag.name			models
//	@tag.description	What can be asked for: sources, recipes and aliases.
//	@tag.name			chat
//	@tag.description	OpenAI's chat and text completions, and Anthropic's messages.
//	@tag.name			embeddings
//	@tag.description	Texts to vectors.
//	@tag.name			tokens
//	@tag.description	Text to tokens and back, at the root and below /v1 alike.
//	@tag.name			responses
//	@tag.description	OpenAI's responses, and conversations that are kept.
//	@tag.name			recipes
//	@tag.description	Merged models, as recipes of a few kilobytes.
//	@tag.name			aliases
//	@tag.description	Names that can be moved from model to model while requests run.
//	@tag.name			searches
//	@tag.description	Evolution of better recipes.
//	@tag.name			tasks
//	@tag.description	What models are scored on.
//	@tag.name			evaluations
//	@tag.description	Scores of models on tasks.
//	@tag.name			keys
//	@tag.description	API keys: who may do what, and how often.
//	@tag.name			server
//	@tag.description	Health, and the pages for people.
//	@securityDefinitions.apikey	BearerAuth
//	@in				header
//	@name			Authorization
//	@description	"Bearer" and the API key. Without keys the server answers its own machine only, and needs none. A key has scopes: inference, manage, search; the one that a request lacks is named.
//	@securityDefinitions.apikey	KeyAuth
//	@in				header
//	@name			x-api-key
//	@description	The API key, as Anthropic's clients send it.
