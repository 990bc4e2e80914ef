package containerd

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/specs"
)

// stubborn is a containerd whose command does not go, or that does not answer.
type stubborn struct {
	tasksapi.TasksClient
	process *tasktypes.Process // nil: nobody answers
	killed  bool
}

func (s *stubborn) answer() error {
	if s.process == nil {
		return status.Error(codes.Unavailable, "away")
	}
	return nil
}

func (s *stubborn) DeleteProcess(context.Context, *tasksapi.DeleteProcessRequest, ...grpc.CallOption) (*tasksapi.DeleteResponse, error) {
	if err := s.answer(); err != nil || s.killed {
		return &tasksapi.DeleteResponse{}, err
	}
	return nil, status.Error(codes.FailedPrecondition, "not now")
}

func (s *stubborn) Get(context.Context, *tasksapi.GetRequest, ...grpc.CallOption) (*tasksapi.GetResponse, error) {
	return &tasksapi.GetResponse{Process: s.process}, s.answer()
}

func (s *stubborn) Kill(context.Context, *tasksapi.KillRequest, ...grpc.CallOption) (*emptypb.Empty, error) {
	s.killed = true
	return &emptypb.Empty{}, s.answer()
}

func (s *stubborn) Wait(context.Context, *tasksapi.WaitRequest, ...grpc.CallOption) (*tasksapi.WaitResponse, error) {
	s.killed = true
	return &tasksapi.WaitResponse{}, s.answer()
}

// A process group is killed only while containerd says that it is the command's.
func TestOnlyACommandThatRunsIsKilled(t *testing.T) {
	for name, c := range map[string]struct {
		process *tasktypes.Process
		dies    bool
		kind    codes.Code
	}{
		"it runs":            {&tasktypes.Process{Status: tasktypes.Status_RUNNING}, true, codes.OK},
		"it has ended":       {&tasktypes.Process{Status: tasktypes.Status_STOPPED}, false, codes.OK},
		"containerd is away": {nil, false, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			group := exec.Command("sleep", "1000")
			group.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := group.Start(); err != nil {
				t.Fatal(err)
			}
			if c.process != nil {
				c.process.Pid = uint32(group.Process.Pid)
			}
			x := &execution{Engine: &Engine{tasks: &stubborn{process: c.process}}, task: "a", id: "b"}
			if err := x.remove(t.Context()); status.Code(err) != c.kind {
				t.Errorf("remove: %v", err)
			}
			_ = group.Process.Signal(syscall.SIGTERM) // of two signals the first is what it ends by
			_ = group.Wait()
			if by := group.ProcessState.Sys().(syscall.WaitStatus).Signal(); (by == syscall.SIGKILL) != c.dies {
				t.Errorf("it ended by %v", by)
			}
		})
	}
}

// That a command cannot be run on a full disk says nothing about the task: it does
// not fail its health checks.
func TestACommandOnAFullDisk(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{}, "sleep")
	mountstest.Mount(t, b.executions(), "nr_inodes=1")
	_, err := b.Exec(t.Context(), task.ID, executor.Command{Args: []string{"program", "exit=0"}})
	if !errors.Is(err, executor.ErrTemporary) || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("%v", err)
	}
	mountstest.Resize(t, b.executions(), "nr_inodes=100")
	if code, err := b.Exec(t.Context(), task.ID, executor.Command{Args: []string{"program", "exit=0"}}); err != nil || code != 0 {
		t.Errorf("there is room again: code %d, %v", code, err)
	}
}
