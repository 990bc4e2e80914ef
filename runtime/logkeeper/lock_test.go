package logkeeper

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// Who looks for the keeper while one takes over finds the last one or the next:
// nobody would mean that there is nothing to end.
func TestLockNamesSomebodyThroughout(t *testing.T) {
	dir := t.TempDir()
	me, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	take := func() {
		lock, err := takeLock(dir)
		if err != nil {
			t.Error(err)
			return
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}
	take()
	file, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			take()
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if p := holder(file); p != me {
			t.Errorf("the lock names %+v, not %+v", p, me)
			break
		}
	}
	<-done
}
