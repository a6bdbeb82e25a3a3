package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/config"
)

// configure sets what the command line left alone from the environment and, for
// commands that have --config, from that file. One file serves all commands: what
// it says to the server alone, the others skip.
func configure(cmd *cobra.Command) error {
	var file *config.File
	if flag := cmd.Flags().Lookup(config.FileFlag); flag != nil {
		path := flag.Value.String()
		if !flag.Changed {
			path = os.Getenv(config.EnvName(config.FileFlag))
		}
		if path != "" {
			var err error
			if file, err = config.Read(path, newServeSettings().flags()); err != nil {
				return usageError{err}
			}
		}
	}
	if err := config.Apply(cmd.Flags(), os.LookupEnv, file); err != nil {
		return usageError{err}
	}
	return nil
}

// bySubject makes a command's help list its flags by subject.
func bySubject(cmd *cobra.Command) *cobra.Command {
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		out := cmd.OutOrStderr()
		fmt.Fprintf(out, "Usage:\n  %s\n", cmd.UseLine())
		if cmd.HasExample() {
			fmt.Fprintf(out, "\nExamples:\n%s\n", cmd.Example)
		}
		config.WriteHelp(out, cmd.LocalFlags())
		return nil
	})
	return cmd
}
