package cli

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/mergeway/mergeway/config"
	"github.com/mergeway/mergeway/keys"
)

// list is a flag value of several words, separated by commas.
type list []string

// Set implements pflag.Value.
func (l *list) Set(text string) error { *l = splitList(text); return nil }

// String implements pflag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Type implements pflag.Value.
func (l *list) Type() string { return config.ListType }

// splitList reads words that are separated by commas, dropping empty ones.
func splitList(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// keyList is a flag value of API keys, as YAML or JSON.
type keyList []keys.Entry

// Set implements pflag.Value.
func (l *keyList) Set(text string) error {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return errors.New("it is no YAML")
	}
	entries, err := keys.ParseEntries(data)
	if err != nil {
		return err
	}
	*l = entries
	return nil
}

// String implements pflag.Value: JSON, which reads back.
func (l *keyList) String() string {
	if len(*l) == 0 {
		return ""
	}
	data, err := json.Marshal(*l)
	if err != nil {
		return err.Error() // no entry that was read can't be written
	}
	return string(data)
}

// Type implements pflag.Value.
func (l *keyList) Type() string { return config.JSONType }

// keysExample shows what the configuration may say of keys.
const keysExample = `keys:
  - name: ci
    hash: sha256:e6991c8e18186a6e0352b9440ecb89beebbfcb8c9a7a1b188f3a16be36fadb89
    scopes: [inference, search]
    expires_at: 2030-01-01T00:00:00Z
    limits: {requests_per_minute: 60, tokens_per_minute: 100000, concurrent_requests: 4}
`
