package logkeeper

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// readyFD is where the keeper says "ok", or why it cannot start.
const readyFD = 3

// gcPercent trades a little time for memory: next to nothing is allocated while
// logs flow.
const gcPercent = 50

// Main runs the keeper of the directory args[0] until it is told to quit or is
// killed. It is what the hidden subcommand calls; the exit status is its result.
func Main(args []string) int {
	runtime.GOMAXPROCS(1) // the keeper of a node takes one core at most
	debug.SetGCPercent(gcPercent)
	ready := os.NewFile(readyFD, "ready")
	if err := run(args, ready); err != nil {
		fmt.Fprintln(ready, err)
		fmt.Fprintf(os.Stderr, "%s swarmgit log keeper: %v\n", time.Now().UTC().Format(time.RFC3339), err)
		return 1
	}
	return 0
}

func run(args []string, ready io.WriteCloser) error {
	if len(args) != 1 {
		return fmt.Errorf("the log keeper takes one argument, its directory, not %d", len(args))
	}
	dir := args[0]
	lock, err := takeLock(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	k, err := newKeeper(dir)
	if err != nil {
		return fmt.Errorf("open the pipes in %s: %w", dir, err)
	}
	listener, err := listen(dir)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(ready, readyWord); err != nil {
		return fmt.Errorf("tell the daemon: %w", err)
	}
	_ = ready.Close()
	go k.loop.run()
	debug.FreeOSMemory() // what the start of a large binary used is not needed again
	k.serve(listener)
	return nil
}

const readyWord = "ok"
