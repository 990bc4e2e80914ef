package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Exit codes of exec besides those of commands, as Docker's.
const (
	exitOurs      = "125" // swarmgit could not do what was asked
	exitCannotRun = 126   // the task cannot run the command
)

func execCommand(opt *options) *cobra.Command {
	var interactive bool
	var command wire.ExecCommand
	c := &cobra.Command{
		Use: "exec [-it] TASK COMMAND [ARG...]", Short: "Run a command in a running task, on whatever node it is",
		Long: `Run a command in a running task, on whatever node it is.

The exit code is the command's; it is 126 if the task cannot run the command, and
125 if swarmgit cannot. Ctrl-C ends the command. The manager logs who runs which
program where, without its arguments.`,
		Example:     "  swarmgit exec shop_web.1 env\n  swarmgit exec -it shop_web.1 sh\n  swarmgit exec -i -u app -w /data shop_db.1 psql < dump.sql",
		Annotations: map[string]string{failureStatus: exitOurs},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New(`exec needs a TASK and a COMMAND: see "swarmgit exec --help"`)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			command.Args, command.Stdin = args[1:], interactive
			code, err := runExec(c, opt, args[0], command)
			switch {
			case c.Context().Err() != nil:
				return exitCode(interrupted)
			case err != nil && code == 0:
				return err
			case err != nil:
				fmt.Fprintln(c.ErrOrStderr(), "swarmgit: "+err.Error())
			}
			if code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // what follows the task is the command's
	c.Flags().BoolVarP(&interactive, "interactive", "i", false, "pass standard input on to the command")
	c.Flags().BoolVarP(&command.TTY, "tty", "t", false, "give the command a terminal")
	c.Flags().StringVarP(&command.User, "user", "u", "", "user, or user:group, of the command")
	c.Flags().StringVarP(&command.WorkingDir, "workdir", "w", "", "working directory of the command")
	c.Flags().StringArrayVarP(&command.Env, "env", "e", nil, "set a variable, KEY=VALUE; KEY alone takes its value from here")
	return c
}

// runExec runs the command to its end. The code is the command's if err is nil.
func runExec(c *cobra.Command, opt *options, task string, command wire.ExecCommand) (code int, err error) {
	command.Env = withValues(command.Env)
	client, err := opt.connect()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if command.TTY {
		restore, err := rawTerminal(c.InOrStdin())
		if err != nil {
			return 0, err
		}
		defer restore()
		command.Size = terminalSize(c.OutOrStdout())
	}
	err = api.Exec.Call(c.Context(), client, func(ends wire.Ends[api.ExecInput, wire.ExecOutput]) error {
		ctx, cancel := context.WithCancel(c.Context())
		defer cancel()
		send := oneSender(ends.Send)
		if err := send(api.ExecInput{Task: task, Command: &command}); err != nil {
			return err
		}
		if command.TTY {
			go followSize(ctx, c.OutOrStdout(), send)
		}
		if command.Stdin {
			go passInput(c.InOrStdin(), send)
		}
		code, err = showOutput(c, ends.Receive)
		return err
	})
	return code, err
}

// withValues gives variables that are named alone the values that they have here;
// one that has none is left out, as Docker does.
func withValues(env []string) (whole []string) {
	for _, entry := range env {
		if !strings.Contains(entry, "=") {
			value, here := os.LookupEnv(entry)
			if !here {
				continue
			}
			entry += "=" + value
		}
		whole = append(whole, entry)
	}
	return whole
}

// showOutput writes what the command writes until it has ended.
func showOutput(c *cobra.Command, receive func() (wire.ExecOutput, error)) (int, error) {
	for {
		o, err := receive()
		switch {
		case errors.Is(err, io.EOF):
			return 0, errors.New("the manager broke off in the middle of the command")
		case err != nil:
			return 0, err
		case o.Err != "":
			return exitCannotRun, errors.New(o.Err)
		case o.Code != nil:
			return *o.Code, nil
		}
		if _, err := c.OutOrStdout().Write(o.Stdout); err != nil {
			return 0, err
		}
		if _, err := c.ErrOrStderr().Write(o.Stderr); err != nil {
			return 0, err
		}
	}
}

// oneSender lets several goroutines send.
func oneSender(send func(api.ExecInput) error) func(api.ExecInput) error {
	var sending sync.Mutex
	return func(in api.ExecInput) error {
		sending.Lock()
		defer sending.Unlock()
		return send(in)
	}
}

// inputChunk is how much of the input is sent at a time, in bytes.
const inputChunk = 32 << 10

// passInput sends the input until it or the command has ended.
func passInput(from io.Reader, send func(api.ExecInput) error) {
	for {
		chunk := make([]byte, inputChunk)
		n, err := from.Read(chunk)
		var in api.ExecInput
		in.Stdin, in.EOF = chunk[:n], err != nil
		if send(in) != nil || err != nil {
			return
		}
	}
}

// followSize tells the size of the terminal whenever it changes.
func followSize(ctx context.Context, terminal io.Writer, send func(api.ExecInput) error) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	defer signal.Stop(changed)
	for {
		select {
		case <-changed:
			size := terminalSize(terminal)
			var in api.ExecInput
			in.Resize = &size
			if send(in) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
