package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// diskSize is more than a manager's disk is to have free, and what it writes.
const diskSize = 768 << 20

// ownDisk gives a node a disk of its own for its data.
func ownDisk(t testing.TB, n *realCluster) {
	t.Helper()
	image, data := n.path("disk"), n.path("data")
	f, err := os.Create(image)
	do(t, err)
	do(t, errors.Join(f.Truncate(diskSize), f.Close()))
	do(t, os.Mkdir(data, 0o700))
	shell(t, "mkfs.ext4", "-q", "-m", "0", "-N", "8192", image)
	shell(t, "mount", "-o", "loop", image, data)
	t.Cleanup(func() {
		do(t, n.until("nobody uses its disk", func() (bool, error) {
			return exec.Command("umount", data).Run() == nil, nil // a git of a daemon that was killed may
		}))
	})
	do(t, os.Chmod(data, 0o700))
}

func shell(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// fill leaves nothing free on a node's disk, until the returned function is
// called.
func (c *realCluster) fill(t testing.TB) (empty func()) {
	t.Helper()
	path := c.path("data/filler")
	f, err := os.Create(path)
	do(t, err)
	defer f.Close()
	for size, piece := int64(0), int64(64<<20); piece >= 4<<10; {
		err := unix.Fallocate(int(f.Fd()), 0, size, piece)
		switch {
		case errors.Is(err, unix.ENOSPC):
			piece /= 2
		case err != nil:
			t.Fatal(err)
		default:
			size += piece
		}
	}
	return func() { do(t, os.Remove(path)) }
}

// freeze has all that is written to a node's disk wait, until the returned
// function is called.
func (c *realCluster) freeze(t testing.TB) (thaw func()) {
	t.Helper()
	frozen := true
	thaw = func() {
		if frozen {
			frozen = false
			shell(t, "fsfreeze", "--unfreeze", c.path("data"))
		}
	}
	t.Cleanup(thaw) // a process that waits for it cannot be killed
	shell(t, "fsfreeze", "--freeze", c.path("data"))
	return thaw
}

// fullDisks fills the disks of the managers one after the other. Leadership goes
// where there is room; with no room anywhere pushes are refused; what runs goes on,
// and all is well by itself once there is room again.
func fullDisks(t *testing.T, f *realFleet) {
	first := f.awaitLeader(t)
	empty := []func(){first.fill(t)}
	second := f.awaitLeader(t, first)
	isFull := func(n *realCluster) string {
		return n.name() + ": the disk is full: " + filepath.Join(n.path("data"), "raft")
	}
	f.tells(t, isFull(first))
	commit := note(t, f.person(t, first))

	empty = append(empty, second.fill(t))
	third := f.awaitLeader(t, first, second)
	f.tells(t, isFull(second))

	empty = append(empty, third.fill(t))
	f.tells(t, "writes are refused: "+isFull(third))
	ana := f.person(t, first)
	wantWords(t, ana.refused(t, nil), third.name())
	has(t, ana, commit)
	for _, makeRoom := range empty {
		makeRoom()
	}
	f.await(t, "all have room", func() bool {
		out, _, _ := f.nodes[0].swarmgit("status")
		return !strings.Contains(out, "is full")
	})
	note(t, ana)
}

// tells waits until status has these words.
func (f *realFleet) tells(t testing.TB, words string) {
	t.Helper()
	f.await(t, fmt.Sprintf("status says %q", words), func() bool {
		out, _, _ := f.nodes[0].swarmgit("status")
		return strings.Contains(strings.Join(strings.Fields(out), " "), words)
	})
}

// hungDisks freezes the leader's disk: another leads. Once it works again it
// follows. A follower's disk that hangs holds up nobody.
func hungDisks(t *testing.T, f *realFleet) {
	leader := f.awaitLeader(t)
	others := f.followers(leader)
	ana := f.person(t, others[0])
	stuck := f.person(t, leader)
	stuck.commit(t, nil)
	thaw := leader.freeze(t)
	pushed := make(chan error)
	go func() {
		_, err := stuck.git("push", "-o", "no-wait", "swarm", "main") // it is not noticed before
		pushed <- err
	}()
	f.away = leader
	f.awaitLeader(t, leader)
	commit := note(t, ana)
	f.await(t, "the node of the hung disk is heard", func() bool { return f.ready() == len(f.nodes) })
	thaw()
	f.away = nil
	f.allVote(t)
	has(t, f.person(t, leader), commit)
	if err := <-pushed; err == nil {
		has(t, f.person(t, leader), strings.TrimSpace(stuck.mustGit(t, "rev-parse", "HEAD")))
	}

	thaw = leader.freeze(t) // it follows now
	commit = note(t, ana)
	thaw()
	f.allVote(t)
	has(t, f.person(t, leader), commit)
}
