package agent_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// upper writes its input in capitals and the user to standard error, or is deaf.
func upper(ctx context.Context, _ executor.Task, c executor.Command) (int, error) {
	if c.Args[0] == "deaf" {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	text, err := io.ReadAll(c.Stdin)
	if err == nil {
		_, err = c.Stdout.Write(bytes.ToUpper(text))
	}
	if err == nil {
		_, err = c.Stderr.Write([]byte(c.User))
	}
	return 7, err
}

func TestExec(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("web:1", executortest.Behaviour{Exec: upper})
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)

		in := make(chan wire.ExecInput, 2)
		in <- wire.ExecInput{Stdin: []byte("hello")}
		in <- wire.ExecInput{EOF: true}
		next := func() (wire.ExecInput, error) {
			select {
			case i := <-in:
				return i, nil
			case <-t.Context().Done():
				return wire.ExecInput{}, io.EOF
			}
		}
		var stdout, stderr strings.Builder
		var code *int
		out := func(o wire.ExecOutput) error {
			stdout.Write(o.Stdout)
			stderr.Write(o.Stderr)
			code = o.Code
			return nil
		}
		request := func(task string, args ...string) wire.ExecRequest {
			return wire.ExecRequest{TaskID: task, Command: wire.ExecCommand{Args: args, User: "app", Stdin: true}}
		}
		if err := c.dispatcher.Exec(t.Context(), "n1", request(id, "upper"), next, out); err != nil {
			t.Fatal(err)
		}
		if stdout.String() != "HELLO" || stderr.String() != "app" || code == nil || *code != 7 {
			t.Errorf("%q, %q, code %v", &stdout, &stderr, code)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.dispatcher.Exec(ctx, "n1", request(id, "deaf"), next, out); err != context.DeadlineExceeded {
			t.Errorf("a person who goes away: %v", err)
		}
		var last wire.ExecOutput
		err := c.dispatcher.Exec(t.Context(), "n1", request("nosuch", "x"), next, func(o wire.ExecOutput) error { last = o; return nil })
		if err != nil || !strings.Contains(last.Err, executor.ErrNotFound.Error()) {
			t.Errorf("a task that is not there: %v, %+v", err, last)
		}
		if err := c.dispatcher.Exec(t.Context(), "n2", request(id, "x"), next, out); wire.KindOf(err) != wire.NotFound {
			t.Errorf("a node that is not there: %v", err)
		}
		go func() {
			after(time.Second)
			n.disconnect()
		}()
		if err := c.dispatcher.Exec(t.Context(), "n1", request(id, "deaf"), next, out); wire.KindOf(err) != wire.Unavailable {
			t.Errorf("a node that goes away: %v", err)
		}
	})
}

// A command that does not read what comes to it hears of the terminal's size all
// the same, ends with who asked for it, and gets all of it when it reads at last.
func TestExecThatDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		const chunk, flood = 64 << 10, 32 << 20
		sizes, ended := make(chan executor.Size, 1), make(chan struct{})
		n := c.node("n1")
		n.engine.SetImage("web:1", executortest.Behaviour{Exec: func(ctx context.Context, _ executor.Task, c executor.Command) (int, error) {
			sizes <- <-c.Resize
			if c.Args[0] == "late" {
				time.Sleep(5 * time.Minute)
				all, err := io.Copy(io.Discard, c.Stdin)
				return int(all), err
			}
			<-ctx.Done()
			close(ended)
			return 0, ctx.Err()
		}})
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)

		person := func() (next func() (wire.ExecInput, error), asked *atomic.Int64) {
			asked = new(atomic.Int64)
			return func() (wire.ExecInput, error) {
				switch n := asked.Add(1); {
				case n == 2:
					return wire.ExecInput{Resize: &wire.Size{Width: 99, Height: 9}}, nil
				case n == flood/chunk+2:
					return wire.ExecInput{EOF: true}, nil
				case n > flood/chunk+2:
					<-t.Context().Done()
				}
				return wire.ExecInput{Stdin: make([]byte, chunk)}, nil
			}, asked
		}
		var code *int
		out := func(o wire.ExecOutput) error { code = o.Code; return nil }
		request := func(arg string) wire.ExecRequest {
			return wire.ExecRequest{TaskID: id, Command: wire.ExecCommand{Args: []string{arg}, TTY: true, Stdin: true}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		next, asked := person()
		if err := c.dispatcher.Exec(ctx, "n1", request("deaf"), next, out); err != context.DeadlineExceeded {
			t.Errorf("a person who goes away: %v", err)
		}
		if size := <-sizes; size.Width != 99 {
			t.Errorf("the size is %v", size)
		}
		if n := asked.Load(); n > 20 {
			t.Errorf("%d KiB were taken from a person whose command reads nothing", n*chunk>>10)
		}
		<-ended

		next, _ = person()
		if err := c.dispatcher.Exec(t.Context(), "n1", request("late"), next, out); err != nil || code == nil || *code != flood {
			t.Errorf("a command that reads late: %v, code %v", err, code)
		}
		<-sizes
	})
}

// A command that takes long to die does not keep its node from the next session.
func TestCommandThatTakesLongToDie(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("web:1", executortest.Behaviour{Exec: func(ctx context.Context, _ executor.Task, _ executor.Command) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Minute)
			return 0, ctx.Err()
		}})
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		after(time.Second)
		ended := make(chan error, 1)
		go func() {
			never := func() (wire.ExecInput, error) { <-t.Context().Done(); return wire.ExecInput{}, io.EOF }
			drop := func(wire.ExecOutput) error { return nil }
			ended <- c.dispatcher.Exec(t.Context(), "n1", wire.ExecRequest{TaskID: id, Command: wire.ExecCommand{Args: []string{"x"}}}, never, drop)
		}()
		after(time.Second)
		n.hangUp(c.managers[0])
		after(40 * time.Second)
		if c.dispatcher.Heard("n1").IsZero() || n.status() != specs.NodeReady {
			t.Errorf("heard: %v, %s", c.dispatcher.Heard("n1"), n.status())
		}
		if err := <-ended; wire.KindOf(err) != wire.Unavailable {
			t.Errorf("who asked is told %v", err)
		}
		after(2 * time.Minute)
	})
}
