package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile; a plain "go build" says so.
var version = "dev"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program", Args: noArgs,
		Example: "  swarmgit version",
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintf(c.OutOrStdout(), "swarmgit %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			if info, ok := debug.ReadBuildInfo(); ok && version == "dev" {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						fmt.Fprintf(c.OutOrStdout(), "built from %s\n", shortCommit(s.Value))
					}
				}
			}
		},
	}
}
