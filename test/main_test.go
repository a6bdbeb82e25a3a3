package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the binary under test.
var program string

// TestMain builds the program once, unless MERGEWAY_TEST_BINARY names one that
// is built already.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if given := os.Getenv("MERGEWAY_TEST_BINARY"); given != "" {
		program = given
		return m.Run()
	}
	folder, err := os.MkdirTemp("", "mergeway-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "mergeway")
	build := exec.Command(fromRoot("scripts", "go"), "build", "-buildvcs=false", "-o", program, ".")
	build.Dir = fromRoot()
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building mergeway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// fromRoot gives a path inside the repository.
func fromRoot(parts ...string) string {
	root, err := filepath.Abs("..")
	if err != nil {
		panic(err) // there is no working directory
	}
	return filepath.Join(append([]string{root}, parts...)...)
}
