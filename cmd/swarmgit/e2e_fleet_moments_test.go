package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// moment is a step of a push at which its leader dies. Git asks a hook there, of
// the leader's repository or of a follower's that is sent the objects.
type moment struct {
	name     string
	hook     string
	script   string // of sh; KILL ends the leader
	follower bool
}

// When a ref of that pattern is in that state.
const (
	onRef       = "[ $1 = %s ] || exit 0\nwhile read -r old new ref; do case $ref in %s) %s KILL;; esac; done\n"
	preReceive  = "printf 'pre-receive %s\\n' \"$GIT_QUARANTINE_PATH\" >&3\nwhile read -r line; do :; done\nread -r verdict <&4\n"
	procReceive = "printf '000eversion=1\\n0000'\necho proc-receive >&3\nIFS= read -r report <&4\n"
)

// moments are the steps of a push, in their order. A follower's are those around
// the entry that makes the push true.
func moments() []moment {
	stored := func(more string) string { return fmt.Sprintf(onRef, "committed", "refs/swarmgit/*", more) }
	return []moment{
		{"the pack has come in", "pre-receive", "KILL", false},
		{"it is checked", "pre-receive", preReceive + "KILL", false},
		{"it is to be committed", "proc-receive", "KILL", false},
		{"a follower has the objects", "reference-transaction", stored(""), true},
		{"its entry is under way", "reference-transaction", stored(fmt.Sprintf("sleep 0.%03d;", 1+rand.N(15))), true},
		{"it is committed", "proc-receive", procReceive + "KILL", false},
		{"its ref is about to move", "reference-transaction", fmt.Sprintf(onRef, "prepared", "refs/heads/*", ""), false},
		{"its ref has moved", "reference-transaction", fmt.Sprintf(onRef, "committed", "refs/heads/*", ""), false},
	}
}

// strike has whoever leads die at that moment of a push, and returns who is dead then.
// Another may come to lead before: that happens on a machine that is too busy.
func (f *realFleet) strike(t testing.TB, m moment) (victim *realCluster) {
	t.Helper()
	var spare func()
	f.await(t, "the leader is killed when "+m.name, func() bool {
		leader := f.leader()
		switch {
		case victim != nil && victim.died():
			return true
		case leader == nil || leader == victim:
			return false
		case victim != nil:
			spare()
		}
		victim, spare = leader, f.doom(t, m, leader)
		return false
	})
	victim.kill()
	return victim
}

// doom has a leader die at that moment of the next push, unless spare is called.
func (f *realFleet) doom(t testing.TB, m moment, leader *realCluster) (spare func()) {
	t.Helper()
	at := leader
	if m.follower {
		at = f.followers(leader)[0]
	}
	path := at.path(filepath.Join("data/git/hooks", m.hook))
	put := func(text []byte) {
		do(t, os.WriteFile(path+".new", text, 0o700))
		do(t, os.Rename(path+".new", path))
	}
	before, err := os.ReadFile(path)
	spare = func() { put(before) }
	if errors.Is(err, os.ErrNotExist) {
		spare = func() { _ = os.Remove(path) } // it may have struck just now
	} else {
		do(t, err)
	}
	kill := fmt.Sprintf("rm -f %q; kill -9 %d", path, leader.daemon.Process.Pid) // it strikes once
	put([]byte("#!/bin/sh\n" + strings.ReplaceAll(m.script, "KILL", kill) + "\n"))
	return spare
}

// died reports whether the daemon was killed by somebody else.
func (c *realCluster) died() bool {
	_, err := procfs.LookUp(c.daemon.Process.Pid)
	return err != nil
}

// struckWatching has a person watch a rollout when the leader dies: the commit is
// in.
func (f *realFleet) struckWatching(t testing.TB, p *realCluster, leader *realCluster) {
	t.Helper()
	p.mustGit(t, "fetch", "--quiet", "swarm")
	p.mustGit(t, "reset", "--quiet", "--hard", "swarm/main")
	commit := p.commit(t, map[string]string{"stacks/watched/stack.yml": "services:\n  web:\n    image: shop/web:1\n"})
	push := p.command("git", "push", "swarm", "main")
	said := &onWord{word: "is " + commit[:7] + ", committed", do: leader.kill}
	push.Stderr = said
	_ = push.Run() // whether git says ok depends on how much it has heard
	if leader.daemon != nil {
		t.Fatalf("nothing was committed: %s", said.text.String())
	}
	f.awaitLeader(t, leader)
	has(t, p, commit)
}

// onWord does something once when a word has been written.
type onWord struct {
	word string
	do   func()
	text bytes.Buffer
}

func (w *onWord) Write(p []byte) (int, error) {
	before := strings.Contains(w.text.String(), w.word)
	n, err := w.text.Write(p)
	if !before && strings.Contains(w.text.String(), w.word) {
		w.do()
	}
	return n, err
}

// intact checks the repositories of all managers: each is whole, and at the same
// commit.
func (f *realFleet) intact(t testing.TB) {
	t.Helper()
	git := func(n *realCluster, args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"--git-dir=" + n.path("data/git")}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	f.await(t, "all managers are at the same commit", func() bool {
		heads := map[string]bool{}
		for _, n := range f.nodes[:f.managers] {
			head, _ := git(n, "rev-parse", "refs/heads/main")
			heads[head] = true
		}
		return len(heads) == 1
	})
	for _, n := range f.nodes[:f.managers] {
		if out, err := git(n, "fsck", "--no-dangling", "--no-progress"); err != nil {
			t.Errorf("%s: %v: %s", n.name(), err, out)
		}
	}
}
