package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// program is this program as a person starts it, in a directory of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), executable(), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asSwarmgit+"=1", memoryEngine, "SWARMGIT_HOST="+filepath.Join(cmd.Dir, "sock"))
	return cmd
}

// What a script keeps in a file is all of it, or the script hears of it.
func TestAnswerOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, args := range []string{"version", "daemon unit", "completion bash"} {
		var said strings.Builder
		cmd := program(t, strings.Fields(args)...)
		cmd.Stdout, cmd.Stderr = full, &said
		_ = cmd.Run() // it is to fail
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%s exits %d: %s", args, code, said.String())
		}
	}
}

// Ctrl-C ends a wait for what a person or a pipe has still to say.
func TestInputUntilCtrlC(t *testing.T) {
	in, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	c := new(cobra.Command)
	c.SetContext(ctx)
	c.SetIn(in)
	go func() { _, _ = io.WriteString(w, "half") }()
	first := make([]byte, 4)
	if _, err := io.ReadFull(input(c), first); err != nil || string(first) != "half" {
		t.Fatalf("%q, %v", first, err)
	}
	cancel()
	if _, err := readFile(c, "-"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = w.Close() // for the read that was given up
}

func TestCtrlCWhileAPipeSaysNothing(t *testing.T) {
	cmd := program(t, "secret", "create", "db", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }).Stop() // if it does not end
	if _, err := in.Write(make([]byte, 256<<10)); err != nil {               // more than a pipe holds: it reads
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its status is looked at
	if code := cmd.ProcessState.ExitCode(); code != interrupted {
		t.Errorf("it exits %d", code)
	}
}

// nohup(1) has a process outlive its terminal; nothing else does.
func TestTheEndOfATerminal(t *testing.T) {
	if !slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("who closes the terminal of a throw-away cluster keeps it")
	}
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	if slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("nohup does nothing")
	}
}

// A daemon goes on when nobody reads its log any more.
func TestDaemonOutlivesItsReader(t *testing.T) {
	daemon := program(t, "daemon", "--init", "--data-dir", "data", "--socket", "sock", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	log, err := daemon.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(daemon.Dir, "data")
	t.Cleanup(func() {
		_ = daemon.Process.Kill() // it has ended, or the test has failed
		_ = daemon.Wait()         // as above
		if err := endWorker(context.Background(), data); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() && !strings.Contains(lines.Text(), "this manager leads") {
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	leave := program(t, "leave", "--force", "--host", filepath.Join(daemon.Dir, "sock"))
	leave.Dir = "/" // whatever the directory is that its data was named from
	if out, err := leave.CombinedOutput(); err != nil || !strings.Contains(string(out), "this node has left") {
		t.Errorf("leave: %v: %s", err, out)
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("the daemon: %v", err)
	}
}
