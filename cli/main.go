package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// Exit codes of the binary.
const (
	exitOK          = 0
	exitFailure     = 1   // something went wrong; the message is on stderr
	exitUsage       = 2   // bad flags, arguments or input files
	exitInterrupted = 130 // stopped by a signal
)

// Main runs the command line args (without the program's name) and gives the
// process's exit code. SIGINT and SIGTERM cancel the context of the command; SIGTERM
// as the machine sends it that is about to stop, so that what can be gone on with
// later is suspended.
func Main(version string, args []string, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				cancel(merge.ErrSuspended)
			} else {
				cancel(context.Canceled)
			}
		case <-ctx.Done():
		}
	}()

	root := newRoot(version)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "mergeway:", err)
	switch {
	case errors.Is(err, context.Canceled) || fault.CodeOf(err) == fault.Cancelled:
		return exitInterrupted
	case fault.CodeOf(err) == fault.Invalid || errors.As(err, new(usageError)):
		return exitUsage
	}
	return exitFailure
}

// usageError marks a mistake in flags or arguments.
type usageError struct{ error }

// Unwrap gives errors.Is and errors.As the cause.
func (e usageError) Unwrap() error { return e.error }

// usage makes a mistake in the arguments a usageError.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see mergeway %s --help", err, cmd.Name())}
		}
		return nil
	}
}

func newRoot(version string) *cobra.Command {
	root := &cobra.Command{
		Use:   "mergeway",
		Short: "Serve models merged on demand; evolve better merges",
		Long: `mergeway keeps source models on the device, serves any merge of them over an
OpenAI-style API, and searches for better merges by evolution. A merged model
is a recipe of a few kilobytes; its weights are made when somebody asks for it.

Try it on the miniature models of this repository:

  mergeway serve --models zoo/models --tasks zoo/tasks
  mergeway search --task ja-math --base base --sources ja-general,en-math-a,en-math-b
  mergeway eval --task ja-math base ja-general`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q; see mergeway --help", args[0])}
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return configure(cmd) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(version), newConfig(), newKey(), newSearch(), newEval(), newTask(), newWorker(version), newMerge(), newChat(), newZoo())
	return root
}
