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
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if code, ok := internalProcess(os.Args); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// endings are the signals that end a command in good order. SIGHUP says that its
// terminal was closed; under nohup(1) it stays ignored.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// outliveReaders lets a command that has more to do than to print go on when
// nobody reads what it prints: the reader of a pipe has ended. What it starts is
// not changed by that.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// run is main without the process.
func run(ctx context.Context, args []string) int {
	root, out := rootCommand(), &output{file: os.Stdout}
	root.SetArgs(args)
	root.SetOut(out)
	c, err := root.ExecuteContextC(ctx)
	var code exitCode
	if said := errors.As(err, &code); (err == nil || said) && out.err != nil {
		err = fmt.Errorf("not all could be written to standard output: %w", out.err)
	}
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return interrupted // as who pressed Ctrl-C knows
	}
	fmt.Fprintln(os.Stderr, "swarmgit: "+err.Error())
	return failureOf(c)
}

// interrupted is the exit status of a process that Ctrl-C ended.
const interrupted = 130

// failureStatus is the annotation of a command whose exit status after an error is
// not 1, because that says something else.
const failureStatus = "exit status of a failure"

func failureOf(c *cobra.Command) int {
	if code, err := strconv.Atoi(c.Annotations[failureStatus]); err == nil {
		return code
	}
	return 1
}

// exitCode ends the process with a code of its own and no further words: the
// command has said what there was to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }
