package agent

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// answerCommand runs a command that somebody asks for through the manager, over a
// connection of its own. It is killed when the session ends, which does not wait
// for it: the next one must not come too late for a command that takes long to die.
func (s *session) answerCommand(ctx context.Context, req wire.ExecRequest) {
	s.crew.drivers.Go(func() {
		if err := s.runCommand(ctx, req); err != nil && ctx.Err() == nil {
			s.Log.DebugContext(ctx, "a command ended early", "task", req.TaskID, "error", err)
		}
	})
}

// runCommand runs one command, and kills it when who asked for it is gone.
func (s *session) runCommand(ctx context.Context, req wire.ExecRequest) error {
	conn, err := s.Dial(ctx, s.addr, wire.Calls)
	if err != nil {
		s.excuse(req.ID, fmt.Errorf("commands on node %s: no connection for them: %w", s.NodeID, err))
		return err
	}
	defer conn.Close()
	client := wire.ClientOver(conn)
	defer client.Close()
	return wire.Exec.Call(ctx, client, func(ends wire.Ends[wire.ExecOutput, wire.ExecInput]) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		send := serial(ends.Send)
		if err := send(wire.ExecOutput{SessionID: s.SessionID, RequestID: req.ID, Room: inputRoom}); err != nil {
			return err
		}
		r := &remote{
			input: newInput(func(read int) error { return send(wire.ExecOutput{Room: read}) }),
			sizes: make(chan executor.Size, 1),
		}
		go func() { // ends with the call
			defer cancel()
			r.listen(ends.Receive)
		}()
		code, err := s.Executor.Exec(ctx, req.TaskID, r.command(req.Command, send))
		r.input.close()
		last := wire.ExecOutput{Code: &code}
		if err != nil {
			last = wire.ExecOutput{Err: err.Error()}
		}
		err = send(last)
		if err == nil {
			<-ctx.Done() // an end from here could overtake the last word
		}
		return err
	})
}

// serial lets several goroutines send.
func serial(send func(wire.ExecOutput) error) func(wire.ExecOutput) error {
	var sending sync.Mutex
	return func(o wire.ExecOutput) error {
		sending.Lock()
		defer sending.Unlock()
		return send(o)
	}
}

// remote is the person at the other end of a command.
type remote struct {
	input *input
	sizes chan executor.Size // the newest that nobody took
}

func (r *remote) command(c wire.ExecCommand, send func(wire.ExecOutput) error) executor.Command {
	command := executor.Command{
		Args: c.Args, Env: c.Env, User: c.User, WorkingDir: c.WorkingDir,
		TTY: c.TTY, Size: executor.Size(c.Size), Resize: r.sizes,
		Stdout: &stdout{send}, Stderr: &stderr{send},
	}
	if c.Stdin {
		command.Stdin = r.input
	} else {
		r.input.close()
	}
	return command
}

// listen takes what comes, whether the command wants it or not, until nothing
// more does: the person is gone.
func (r *remote) listen(receive func() (wire.ExecInput, error)) {
	for {
		in, err := receive()
		if err != nil {
			return
		}
		if in.Resize != nil {
			r.resize(executor.Size(*in.Resize))
		}
		r.input.write(in.Stdin)
		if in.EOF {
			r.input.end(io.EOF)
		}
	}
}

// resize is called by one goroutine.
func (r *remote) resize(s executor.Size) {
	select {
	case <-r.sizes:
	default:
	}
	r.sizes <- s
}

type stdout struct{ send func(wire.ExecOutput) error }

func (w *stdout) Write(p []byte) (int, error) { return len(p), w.send(wire.ExecOutput{Stdout: p}) }

type stderr struct{ send func(wire.ExecOutput) error }

func (w *stderr) Write(p []byte) (int, error) { return len(p), w.send(wire.ExecOutput{Stderr: p}) }
