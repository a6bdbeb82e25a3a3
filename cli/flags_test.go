package cli

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestByteSize(t *testing.T) {
	cases := []struct {
		text string
		want int64
		fail bool
	}{
		{text: "0", want: 0},
		{text: "1500", want: 1500},
		{text: "512MiB", want: 512 << 20},
		{text: " 24 gb ", want: 24 << 30},
		{text: "1.5k", want: 1536},
		{text: "-1", fail: true},
		{text: "many", fail: true},
		{text: "NaN", fail: true},
		{text: "9e99", fail: true},
		{text: "", fail: true},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			var s byteSize
			err := s.Set(c.text)
			if c.fail {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, c.want, s)
			var again byteSize
			require.NoError(t, again.Set(s.String()), "what it prints reads back")
			require.Equal(t, s, again)
		})
	}
}

func TestEnvironmentStandsInForFlags(t *testing.T) {
	newCommand := func() (*cobra.Command, *int) {
		cmd := &cobra.Command{Use: "x", RunE: func(cmd *cobra.Command, _ []string) error { return configure(cmd) }}
		return cmd, cmd.Flags().Int("max-context", 7, "")
	}
	t.Run("the environment wins over the default", func(t *testing.T) {
		t.Setenv("MERGEWAY_MAX_CONTEXT", "9")
		cmd, value := newCommand()
		cmd.SetArgs(nil)
		require.NoError(t, cmd.Execute())
		require.Equal(t, 9, *value)
	})
	t.Run("the flag wins over the environment", func(t *testing.T) {
		t.Setenv("MERGEWAY_MAX_CONTEXT", "9")
		cmd, value := newCommand()
		cmd.SetArgs([]string{"--max-context=11"})
		require.NoError(t, cmd.Execute())
		require.Equal(t, 11, *value)
	})
	t.Run("a bad value names the variable", func(t *testing.T) {
		t.Setenv("MERGEWAY_MAX_CONTEXT", "lots")
		cmd, _ := newCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(nil)
		require.ErrorContains(t, cmd.Execute(), "MERGEWAY_MAX_CONTEXT")
	})
}

func TestUsageErrorsExitWithTwo(t *testing.T) {
	for _, args := range [][]string{{"serve", "--nonsense"}, {"nonsense"}, {"eval"}} {
		var out, errs bytes.Buffer
		require.Equal(t, exitUsage, Main("test", args, &out, &errs), "%v: %s", args, errs.String())
		require.NotEmpty(t, errs.String())
	}
	var out, errs bytes.Buffer
	require.Equal(t, exitOK, Main("test", []string{"--help"}, &out, &errs))
	require.Contains(t, out.String(), "serve")
}
