// Command swarmgit is the whole of swarmgit in one binary: the daemon that runs
// on every node, and the command line that people use. Each command has a file
// of its own.
//
// Commands print what was asked for on standard output and everything else on
// standard error. Errors read "swarmgit: what: why: what to do". Tables look
// like Docker's, so that people and scripts feel at home.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if code, ok := internalProcess(os.Args); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run is main without the process: tests call it too.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(os.Stderr, "swarmgit: "+err.Error())
	return 1
}

// exitCode ends the process with a code of its own and no further words: the
// command has said what there was to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }
