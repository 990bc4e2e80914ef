package api

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Exec runs a command in a task, on whatever node it is. The first input names
// the task and the command; the last output has its exit code, or why it could
// not be run. Who goes away ends it.
const Exec = wire.Duplex[ExecInput, wire.ExecOutput]("/swarmgit.api/Exec")

// ExecInput is what comes to a command, the request for it first.
type ExecInput struct {
	Task    string            `json:"task,omitempty"` // its ID, a prefix of it, or its name
	Command *wire.ExecCommand `json:"command,omitempty"`
	wire.ExecInput
}

// Commands runs commands on nodes.
type Commands interface {
	// Exec runs the command in the task, on the task's node, and writes into the
	// log who ran what where.
	Exec(ctx context.Context, task specs.Task, c wire.ExecCommand, in func() (wire.ExecInput, error), out func(wire.ExecOutput) error) error
}

func (s *Server) exec(ctx context.Context, ends wire.Ends[wire.ExecOutput, ExecInput]) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	first, err := ends.Receive()
	if err != nil {
		return err
	}
	if first.Command == nil || len(first.Command.Args) == 0 {
		return wire.Errorf(wire.InvalidArgument, "no command: name one after the task")
	}
	snap := s.Cluster.Snapshot()
	task, err := runningTask(snap, first.Task)
	if err != nil {
		return err
	}
	in := func() (wire.ExecInput, error) {
		next, err := ends.Receive()
		if errors.Is(err, io.EOF) {
			err = wire.Errorf(wire.Unavailable, "who ran the command has gone")
		}
		return next.ExecInput, err
	}
	err = s.Commands.Exec(ctx, task, *first.Command, in, ends.Send)
	if wire.KindOf(err) == wire.Unavailable && ctx.Err() == nil {
		return wire.Errorf(wire.Unavailable, "run a command in %s on node %s: %v", task.Name(), snap.NodeName(task.Want.Node), err)
	}
	return err
}

// runningTask is the task that name means, if a command can be run in it.
func runningTask(snap store.Snapshot, name string) (specs.Task, error) {
	task, err := findTask(snap, name)
	if err == nil && task.Seen.State != specs.StateRunning && task.Seen.PID == 0 {
		err = wire.Errorf(wire.InvalidArgument, "task %s (%s) is %s: a command needs one that runs (see: swarmgit service ps %s)",
			task.Name(), task.ID, task.State(), task.ServiceName)
	}
	return task, err
}

// findTask returns the task that name means: its name, also written stack/task,
// its ID or a unique prefix of it. Of the tasks that had a name it is the one that
// runs, or else the newest.
func findTask(snap store.Snapshot, name string) (specs.Task, error) {
	var best specs.Task
	for t := range snap.Tasks() {
		if t.Name() == strings.Replace(name, "/", "_", 1) && (best.ID == "" || better(t, best)) {
			best = t
		}
	}
	if best.ID != "" {
		return best, nil
	}
	return find("task", name, snap.Tasks(), taskNames)
}

func better(a, b specs.Task) bool {
	if runs := a.Seen.State == specs.StateRunning; runs != (b.Seen.State == specs.StateRunning) {
		return runs
	}
	return a.Created.After(b.Created)
}

// InspectTask shows one task.
const InspectTask = wire.Unary[ByName, InspectTaskReply]("/swarmgit.api/InspectTask")

// InspectTaskReply is a task with all that is known of it, and its spec. Values
// of its environment that may be secret are not shown.
type InspectTaskReply struct {
	Task
	TaskSpec specs.TaskSpec `json:"task_spec"`
}

func (s *Server) inspectTask(_ context.Context, req ByName) (InspectTaskReply, error) {
	snap := s.Cluster.Snapshot()
	task, err := findTask(snap, req.Name)
	if err != nil {
		return InspectTaskReply{}, err
	}
	spec, _ := snap.TaskSpec(task.Spec)
	return InspectTaskReply{Task: taskView(snap, task), TaskSpec: planner.Redact(spec, snap.Cluster().Key)}, nil
}
