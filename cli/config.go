package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/config"
)

const exampleHeader = `# Settings of mergeway serve: everything that can be set, with its default. Copy this
# file to mergeway.yaml, take away the # in front of what should be otherwise, and give
# it as --config mergeway.yaml, or as MERGEWAY_CONFIG.
#
# Each key is also a flag and an environment variable: max-stops is --max-stops and
# MERGEWAY_MAX_STOPS. A flag wins over the environment, the environment over this file.
#
# Written by "mergeway config --example".

`

func newConfig() *cobra.Command {
	s := newServeSettings()
	flags := s.flags()
	var example bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings of the server, and where each came from",
		Long: `Checks the settings that "mergeway serve" would have with the same flags,
environment and file, and prints them as such a file, with where each came from.
Secrets are left out. With --example it prints a commented file of defaults.`,
		Example: `  mergeway config --config mergeway.yaml
  mergeway config --example > mergeway.yaml`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if example {
				fmt.Fprint(out, exampleHeader)
				return config.WriteExample(out, newServeSettings().flags())
			}
			if err := s.check(flags); err != nil {
				return err
			}
			return config.WriteEffective(out, flags)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	cmd.Flags().BoolVar(&example, "example", false, "print an example file instead")
	return bySubject(cmd)
}
