// Command mergeway serves models that are merged on demand, and searches for
// better merges by evolution. See README.md; `mergeway --help` lists the
// commands, package cli holds them.
package main

import (
	"os"

	"github.com/mergeway/mergeway/cli"
)

// version is set by scripts/build through -ldflags.
var version = "dev"

func main() { os.Exit(cli.Main(version, os.Args[1:], os.Stdout, os.Stderr)) }
