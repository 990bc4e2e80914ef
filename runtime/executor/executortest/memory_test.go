package executortest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

func TestMemoryConforms(t *testing.T) {
	Run(t, func(t *testing.T) Harness { return memoryHarness(NewMemory(t.Errorf)) })
}

func memoryHarness(m *Memory) Harness {
	m.SetImage("sleeper", Behaviour{Exec: program})
	m.SetImage("deaf", Behaviour{IgnoresStop: true})
	m.SetImage("seven", Exits(time.Millisecond, 7))
	m.SetImage("brief", Exits(time.Millisecond, 0))
	m.SetImage("nowhere", NoSuchImage("nowhere"))
	m.SetImage("nocmd", Behaviour{StartErr: `exec: "nosuch": executable file not found in the image`})
	images := map[Program]string{
		Sleeper: "sleeper", Deaf: "deaf", ExitsWith7: "seven",
		ExitsWhenTold: "told", LeavesOthers: "brief", MissingImage: "nowhere", MissingCommand: "nocmd",
	}
	return Harness{
		Executor: m,
		Restart:  func() executor.Executor { return m },
		Spec:     func(p Program) specs.TaskSpec { return specs.TaskSpec{Image: images[p]} },
		Read:     m.ReadFile,
		Command:  func(verbs ...string) []string { return verbs },
		End:      func(id string) { m.Kill(id, specs.Exit{Code: 3}) },
		Leftovers: func() (ids []string) {
			for id := range m.tasks {
				ids = append(ids, id)
			}
			return ids
		},
	}
}

// program does what the verbs of a Harness's Command say.
func program(ctx context.Context, _ executor.Task, c executor.Command) (int, error) {
	vars := map[string]string{}
	for _, entry := range c.Env {
		name, value, _ := strings.Cut(entry, "=")
		vars[name] = value
	}
	put := func(w io.Writer, text string) error {
		if w == nil {
			return nil
		}
		_, err := io.WriteString(w, text+"\n")
		return err
	}
	for _, arg := range c.Args {
		var err error
		switch verb, value, _ := strings.Cut(arg, "="); verb {
		case "print":
			err = put(c.Stdout, value)
		case "complain":
			err = put(c.Stderr, value)
		case "var":
			err = put(c.Stdout, vars[value])
		case "pwd":
			err = put(c.Stdout, c.WorkingDir)
		case "copy":
			if c.Stdin != nil {
				_, err = io.Copy(c.Stdout, c.Stdin)
			}
		case "sizes":
			for size := c.Size; ; size = <-c.Resize {
				text := fmt.Sprintf("%dx%d", size.Width, size.Height)
				if err = put(c.Stdout, text); err != nil || text == value {
					break
				}
			}
		case "deaf":
			if err = put(c.Stdout, "ready"); err == nil {
				<-ctx.Done()
			}
		case "exit":
			return strconv.Atoi(value)
		default:
			err = fmt.Errorf("exec: %q: executable file not found in $PATH", arg)
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// complaints collects what a Memory complains about.
type complaints []string

func (c *complaints) add(format string, _ ...any) { *c = append(*c, format) }

func web(id string) executor.Task { return executor.Task{ID: id, Spec: specs.TaskSpec{Image: "web"}} }

// prepared returns a Memory with the task prepared.
func prepared(t *testing.T, task executor.Task, b Behaviour) *Memory {
	t.Helper()
	m := NewMemory(t.Errorf)
	m.SetImage(task.Spec.Image, b)
	if err := m.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMemoryTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := prepared(t, web("a"), Behaviour{PrepareTakes: 3 * time.Second, StartTakes: time.Second, RunsFor: time.Minute})
		if _, err := m.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Wait(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 64*time.Second {
			t.Errorf("took %s, want 64s", took)
		}
	})
}

func TestMemoryComplains(t *testing.T) {
	for name, breach := range map[string]func(ctx context.Context, m *Memory){
		"start of what was never prepared": func(ctx context.Context, m *Memory) { m.Start(ctx, "b") },
		"a second, different prepare": func(ctx context.Context, m *Memory) {
			m.Prepare(ctx, executor.Task{ID: "a", Name: "other"}, nil)
		},
		"two steps at a time": func(ctx context.Context, m *Memory) {
			go m.Start(ctx, "a")
			synctest.Wait()
			m.Remove(ctx, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got complaints
				m := prepared(t, web("a"), Behaviour{StartTakes: time.Second})
				m.complain = got.add
				breach(t.Context(), m)
				if len(got) != 1 {
					t.Errorf("%d complaints, want 1: %q", len(got), got)
				}
			})
		})
	}
}

func TestMemoryAllowsANewAgentAfterAKilledOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := prepared(t, web("a"), Behaviour{StartTakes: time.Second})
		ctx, kill := context.WithCancel(t.Context())
		go m.Start(ctx, "a")
		synctest.Wait()
		kill()
		if _, err := m.Start(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if n := m.Starts()["a"]; n != 1 {
			t.Errorf("started %d times", n)
		}
	})
}

func TestMemoryFaults(t *testing.T) {
	for fault, wantPhase := range map[Fault]executor.Phase{NotDone: executor.Prepared, DoneButFailed: executor.Running} {
		m := prepared(t, web("a"), Behaviour{})
		m.SetFault(func(op Op, id string) Fault {
			if op == OpStart && id == "a" {
				return fault
			}
			return 0
		})
		if _, err := m.Start(t.Context(), "a"); !errors.Is(err, executor.ErrTemporary) {
			t.Errorf("fault %d: %v, want ErrTemporary", fault, err)
		}
		found, err := m.List(t.Context())
		if err != nil || found[0].Phase != wantPhase {
			t.Errorf("fault %d left %+v, %v; want phase %d", fault, found, err, wantPhase)
		}
	}
}

func TestMemoryEngineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := prepared(t, web("a"), Behaviour{RunsFor: time.Minute, Exit: specs.Exit{Code: 4}})
		if _, err := m.Start(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() {
			_, err := m.Wait(t.Context(), "a")
			waited <- err
		}()
		synctest.Wait()
		m.SetDown(true)
		if err := <-waited; !errors.Is(err, executor.ErrTemporary) {
			t.Errorf("wait while the engine is away: %v", err)
		}
		if _, err := m.List(t.Context()); !errors.Is(err, executor.ErrTemporary) {
			t.Errorf("list while the engine is away: %v", err)
		}
		time.Sleep(2 * time.Minute)
		m.SetDown(false)
		if exit, err := m.Wait(t.Context(), "a"); err != nil || exit.Code != 4 {
			t.Errorf("the task ended meanwhile: %+v, %v", exit, err)
		}
	})
}

func TestMemoryReboot(t *testing.T) {
	m := prepared(t, web("a"), Behaviour{})
	if _, err := m.Start(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	m.Reboot()
	if _, err := m.Wait(t.Context(), "a"); !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("wait after a reboot: %v", err)
	}
	if _, err := m.Start(t.Context(), "a"); !errors.Is(err, executor.ErrNotFound) {
		t.Errorf("start after a reboot: %v", err)
	}
	found, err := m.List(t.Context())
	if err != nil || len(found) != 1 || found[0].Phase != executor.Preparing {
		t.Errorf("after a reboot: %+v, %v", found, err)
	}
}
