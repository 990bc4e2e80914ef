package executortest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// patience is a grace that no obedient program needs.
const patience = time.Minute

func (s *suite) life() {
	task := s.task(1, Sleeper)
	s.prepare(task)
	s.wantFound(task, executor.Found{Phase: executor.Prepared})
	pid, err := s.Executor.Start(s.ctx, task.ID)
	s.must(err)
	s.ready(task.ID)
	s.wantFound(task, executor.Found{Phase: executor.Running, PID: pid})
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	exit := s.wait(task.ID)
	if exit.Code == exitKilled {
		s.Errorf("an obedient task was killed")
	}
	s.wantFound(task, executor.Found{Phase: executor.Exited, Exit: exit})
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) exitCode() {
	task := s.task(1, ExitsWith7)
	s.start(task)
	want := specs.Exit{Code: 7}
	if exit := s.wait(task.ID); exit != want {
		s.Errorf("exit %+v, want %+v", exit, want)
	}
	if again := s.wait(task.ID); again != want {
		s.Errorf("exit %+v when asked again, want %+v", again, want)
	}
	s.wantFound(task, executor.Found{Phase: executor.Exited, Exit: want})
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) idempotent() {
	task := s.task(1, Sleeper)
	s.prepare(task)
	s.prepare(task)
	pid := s.start(task)
	s.prepare(task)
	again, err := s.Executor.Start(s.ctx, task.ID)
	s.must(err)
	if pid != again {
		s.Errorf("a second start returned process ID %d, the first one %d", again, pid)
	}
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	s.remove(task.ID)
	s.remove(task.ID)
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	s.wantNothingLeft()
}

func (s *suite) neverTwice() {
	task := s.task(1, ExitsWith7)
	s.start(task)
	s.wait(task.ID)
	_, err := s.Executor.Start(s.ctx, task.ID)
	s.wantErr(err, nil, "start of a task that has exited")
	s.prepare(task)
	_, err = s.Executor.Start(s.ctx, task.ID)
	s.wantErr(err, nil, "start of a task that has exited and was prepared again")
	s.remove(task.ID)
}

func (s *suite) killAfterGrace() {
	task := s.task(1, Deaf)
	s.start(task)
	const grace = time.Second
	began := time.Now()
	s.must(s.Executor.Stop(s.ctx, task.ID, grace))
	if took := time.Since(began); took < grace {
		s.Errorf("stop returned after %s, before the grace of %s was over", took, grace)
	}
	if exit := s.wait(task.ID); exit != (specs.Exit{Code: exitKilled}) {
		s.Errorf("exit %+v, want code %d", exit, exitKilled)
	}
	s.remove(task.ID)
}

func (s *suite) stopBeforeStart() {
	task := s.task(1, Sleeper)
	s.prepare(task)
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) leavesOthers() {
	task := s.task(1, LeavesOthers)
	s.start(task)
	if exit := s.wait(task.ID); exit != (specs.Exit{}) {
		s.Errorf("exit %+v, want code 0", exit)
	}
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) endsUnseen() {
	task := s.task(1, ExitsWhenTold)
	s.start(task)
	next := s.Restart()
	s.End(task.ID)
	s.Executor = next
	if exit := s.wait(task.ID); exit.Code != 3 {
		s.Errorf("exit %+v of a task that ended between two daemons, want code 3", exit)
	}
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) missingImage() {
	task := s.task(1, MissingImage)
	if task.Spec.Runtime == specs.RuntimeProcess {
		s.Skip("a process has no image")
	}
	err := s.Executor.Prepare(s.ctx, task, func(string) {})
	s.wantErr(err, nil, "prepare with a missing image")
	// Whether its registry has it, a registry that nobody reaches does not tell.
	words := err.Error()
	if !strings.Contains(words, "image "+task.Spec.Image) || !strings.Contains(words, "no such image") && !strings.Contains(words, "not on the node") {
		s.Errorf("%q does not say that image %s is missing", err, task.Spec.Image)
	}
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) missingCommand() {
	task := s.task(1, MissingCommand)
	err := s.Executor.Prepare(s.ctx, task, func(string) {})
	if err == nil {
		_, err = s.Executor.Start(s.ctx, task.ID)
	}
	s.wantErr(err, nil, "a missing command")
	if !strings.Contains(err.Error(), "executable file not found") {
		s.Errorf("%q does not say that the executable file was not found", err)
	}
	s.remove(task.ID)
	s.wantNothingLeft()
}

func (s *suite) unknownTask() {
	id := s.task(1, Sleeper).ID
	_, err := s.Executor.Wait(s.ctx, id)
	s.wantErr(err, executor.ErrNotFound, "wait for an unknown task")
	s.must(s.Executor.Stop(s.ctx, id, patience))
	s.remove(id)
}

func (s *suite) waitContext() {
	task := s.task(1, Sleeper)
	s.start(task)
	ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
	defer cancel()
	_, err := s.Executor.Wait(ctx, task.ID)
	s.wantErr(err, context.DeadlineExceeded, "wait with a context that ends")
	s.remove(task.ID)
}

func (s *suite) removeKills() {
	task := s.task(1, Deaf)
	s.start(task)
	s.remove(task.ID)
	_, err := s.Executor.Wait(s.ctx, task.ID)
	s.wantErr(err, executor.ErrNotFound, "wait for a removed task")
	s.wantNothingLeft()
}

func (s *suite) takeover() {
	prepared, running := s.task(1, Sleeper), s.task(2, ExitsWhenTold)
	exited := s.task(3, ExitsWith7)
	s.prepare(prepared)
	pid := s.start(running)
	s.start(exited)
	s.wait(exited.ID)

	s.Executor = s.Restart()
	s.wantFound(prepared, executor.Found{Phase: executor.Prepared})
	s.wantFound(running, executor.Found{Phase: executor.Running, PID: pid})
	s.wantFound(exited, executor.Found{Phase: executor.Exited, Exit: specs.Exit{Code: 7}})
	if again := s.start(running); again != pid {
		s.Errorf("process ID %d became %d by a restart", pid, again)
	}
	s.start(prepared)
	s.End(running.ID)
	if exit := s.wait(running.ID); exit.Code != 3 {
		s.Errorf("exit %+v after a restart, want code 3", exit)
	}
	for _, task := range []executor.Task{prepared, running, exited} {
		s.remove(task.ID)
	}
	s.wantNothingLeft()
}

func (s *suite) many() {
	const n = 8
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- s.roundTrip(s.task(i+1, Sleeper)) }()
	}
	for range n {
		if err := <-errs; err != nil {
			s.Error(err)
		}
	}
	s.wantNothingLeft()
}

// roundTrip takes one task through its whole life.
func (s *suite) roundTrip(task executor.Task) error {
	if err := s.Executor.Prepare(s.ctx, task, func(string) {}); err != nil {
		return err
	}
	_, err := s.Executor.Start(s.ctx, task.ID)
	if err == nil {
		s.ready(task.ID)
	}
	stop := s.Executor.Stop(s.ctx, task.ID, patience)
	return errors.Join(err, stop, s.Executor.Remove(s.ctx, task.ID))
}

func (s *suite) describe() {
	d, err := s.Executor.Describe(s.ctx)
	s.must(err)
	if d.Hostname == "" || d.OS == "" || d.Arch == "" || d.Engine == "" || len(d.Runtimes) == 0 {
		s.Errorf("%+v lacks a name", d)
	}
	if d.Resources.CPUs <= 0 || d.Resources.Memory <= 0 {
		s.Errorf("%+v offers nothing", d.Resources)
	}
}

func (s *suite) severalWaiters() {
	task := s.task(1, ExitsWhenTold)
	s.start(task)
	const n = 3
	ends := make(chan error, n)
	for range n {
		go func() {
			exit, err := s.Executor.Wait(s.ctx, task.ID)
			if err == nil && exit.Code != 3 {
				err = errors.New("a waiter saw another exit code than 3")
			}
			ends <- err
		}()
	}
	s.End(task.ID)
	for range n {
		if err := <-ends; err != nil {
			s.Error(err)
		}
	}
	s.remove(task.ID)
}

// files gives a task a secret and a config: a container over a directory of its
// image and into directories that no image has.
func (s *suite) files() {
	task := s.task(1, Sleeper)
	task.FilesDir = filepath.Join(s.TempDir(), "files")
	for source, f := range map[string]executor.File{
		"secrets/deep/key":      {Target: "/run/secrets/deep/key", Mode: 0o440},
		"configs/settings.conf": {Target: "/settings.conf", Mode: 0o444},
	} {
		f.Source = filepath.Join(task.FilesDir, source)
		s.must(os.MkdirAll(filepath.Dir(f.Source), 0o700))
		s.must(os.WriteFile(f.Source, []byte("what "+f.Target+" holds"), fs.FileMode(f.Mode)))
		task.Files = append(task.Files, f)
	}
	s.start(task)
	s.wantFiles(task)
	s.Executor = s.Restart()
	s.wantFiles(task)
	s.must(s.Executor.Stop(s.ctx, task.ID, patience))
	s.remove(task.ID)
	for _, f := range task.Files {
		if _, err := os.Stat(f.Source); err != nil {
			s.Errorf("the executor has taken what is not its own: %v", err)
		}
	}
	s.wantNothingLeft()
}

func (s *suite) wantFiles(task executor.Task) {
	s.Helper()
	for _, f := range task.Files {
		at := seenAt(task, f)
		content, mode, err := s.Read(task.ID, at)
		s.must(err)
		if want := "what " + f.Target + " holds"; string(content) != want || mode != fs.FileMode(f.Mode) {
			s.Errorf("the task sees %q, mode %o, at %s; want %q, mode %o", content, mode, at, want, f.Mode)
		}
	}
}

// seenAt is the path at which a task sees its file.
func seenAt(task executor.Task, f executor.File) string {
	if task.Spec.Runtime == specs.RuntimeProcess {
		return f.Source
	}
	return f.Target
}
