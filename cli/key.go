package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke API keys",
		Long: `Makes, lists and revokes API keys. A key has scopes: inference (let models
answer), manage (recipes, aliases, loading of models, keys) and search. It may have
limits and an end. What is kept of a key is its hash: the key itself is shown once.

They are kept with the rest of the state, so give the --data or --redis of the
server. While a server has the file of --data open, it is asked over HTTP.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyCreate(), newKeyList(), newKeyRevoke())
	return cmd
}

func newKeyCreate() *cobra.Command {
	var place keyPlace
	var spec keys.Spec
	var scopes []string
	var expires string
	var forConfig bool
	cmd := &cobra.Command{
		Use:   "create --name NAME --scope SCOPES",
		Short: "Make an API key and print it",
		Long: `Makes an API key and prints it: this once, nobody can find it again. Servers that
share the state know it within a second.

With --for-config nothing is stored: it prints an entry for the keys of the
configuration file.`,
		Example: `  mergeway key create --name ci --scope inference --rpm 60
  mergeway key create --name ops --scope manage,search --expires 90d`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range scopes {
				spec.Scopes = append(spec.Scopes, keys.Scope(s))
			}
			var err error
			if spec.ExpiresAt, err = parseExpiry(expires, time.Now()); err != nil {
				return usageError{err}
			}
			if err := spec.Check(); err != nil {
				return err
			}
			if forConfig {
				return printEntry(cmd.OutOrStdout(), spec)
			}
			manager, done, err := place.open(cmd)
			if err != nil {
				return err
			}
			defer done()
			k, secret, err := manager.Create(cmd.Context(), spec)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s, called %s, for %s. This is the key, shown now and never again:\n", k.ID, k.Name, scopesOf(k))
			fmt.Fprintln(cmd.OutOrStdout(), secret)
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&spec.Name, "name", "", "what to call it")
	f.StringSliceVar(&scopes, "scope", []string{string(keys.Inference)}, "what it is for: inference, manage, search, separated by commas")
	f.StringVar(&expires, "expires", "", "when it ends: after a time such as 12h or 90d, or at one such as 2030-01-31 (default: never)")
	f.IntVar(&spec.Limits.Requests, "rpm", 0, "requests per minute (0: no limit)")
	f.IntVar(&spec.Limits.Tokens, "tpm", 0, "tokens per minute, of prompts and replies together (0: no limit)")
	f.IntVar(&spec.Limits.Concurrent, "concurrent", 0, "requests at once (0: no limit)")
	f.BoolVar(&forConfig, "for-config", false, "print an entry for the configuration file instead")
	place.bind(f)
	return cmd
}

func newKeyList() *cobra.Command {
	var place keyPlace
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys",
		Args:  usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			manager, done, err := place.open(cmd)
			if err != nil {
				return err
			}
			defer done()
			all, err := manager.List(cmd.Context())
			if err != nil {
				return err
			}
			return printKeys(cmd.OutOrStdout(), all)
		},
	}
	place.bind(cmd.Flags())
	return cmd
}

func newKeyRevoke() *cobra.Command {
	var place keyPlace
	cmd := &cobra.Command{
		Use:   "revoke KEY",
		Short: "Take an API key away",
		Long: `Takes an API key away, by its id or by its name if no other has that name.
Requests that run with it come to their end.`,
		Example: `  mergeway key revoke ci`,
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			manager, done, err := place.open(cmd)
			if err != nil {
				return err
			}
			defer done()
			all, err := manager.List(cmd.Context())
			if err != nil {
				return err
			}
			k, err := pickKey(all, args[0])
			if err != nil {
				return err
			}
			if err := manager.Revoke(cmd.Context(), k.ID); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s, called %s, is revoked\n", k.ID, k.Name)
			return nil
		},
	}
	place.bind(cmd.Flags())
	return cmd
}

// pickKey finds a key by its id, or by a name that is its own.
func pickKey(all []keys.Key, called string) (keys.Key, error) {
	var named []keys.Key
	for _, k := range all {
		if k.ID == called {
			return k, nil
		}
		if k.Name == called {
			named = append(named, k)
		}
	}
	switch len(named) {
	case 0:
		return keys.Key{}, fault.New(fault.NotFound, "there is no key %q", called)
	case 1:
		return named[0], nil
	}
	return keys.Key{}, fault.New(fault.Conflict, "%d keys are called %q: give an id; mergeway key list shows them", len(named), called)
}

// parseExpiry reads a time from now, or a moment; empty is never.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) && days > 0 {
		return now.AddDate(0, 0, days).UTC().Truncate(time.Second), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--expires: %q is neither a time such as 12h or 90d nor a moment such as 2030-01-31", text)
}

// printEntry makes a key for the configuration and prints its entry there.
func printEntry(out io.Writer, spec keys.Spec) error {
	entry, secret, err := keys.NewEntry(spec)
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]any{"keys": []keys.Entry{entry}})
	if err == nil {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return fmt.Errorf("writing the entry: %w", err)
	}
	_, err = fmt.Fprintf(out, "# The key itself, shown now and never again: %s\n%s", secret, data)
	return err
}

// printKeys prints a table of keys.
func printKeys(out io.Writer, all []keys.Key) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "id\tname\tscopes\trequests/min\ttokens/min\tat once\tcreated\tlast used\texpires")
	for _, k := range all {
		created := "in configuration"
		if !k.Configured {
			created = day(k.CreatedAt)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, scopesOf(k), orNone(k.Limits.Requests), orNone(k.Limits.Tokens),
			orNone(k.Limits.Concurrent), created, day(k.UsedAt), day(k.ExpiresAt))
	}
	return t.Flush()
}

func scopesOf(k keys.Key) string {
	names := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

func orNone(limit int) string {
	if limit == 0 {
		return "-"
	}
	return fmt.Sprint(limit)
}

// day is a moment as the table shows it.
func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}
