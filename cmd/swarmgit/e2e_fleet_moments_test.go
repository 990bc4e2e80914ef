package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// strike has the leader die at that moment of the next push, and returns once it
// is dead.
func (f *realFleet) strike(t testing.TB, m moment, leader *realCluster) {
	t.Helper()
	at := leader
	if m.follower {
		at = f.followers(leader)[0]
	}
	path := at.path(filepath.Join("data/git/hooks", m.hook))
	kill := fmt.Sprintf("rm -f %q; kill -9 %d", path, leader.daemon.Process.Pid) // it strikes once
	do(t, os.WriteFile(path+".new", []byte("#!/bin/sh\n"+strings.ReplaceAll(m.script, "KILL", kill)+"\n"), 0o700))
	do(t, os.Rename(path+".new", path))
	leader.awaitDeath(t, m.name)
}

// awaitDeath waits until the daemon has been killed by somebody else.
func (c *realCluster) awaitDeath(t testing.TB, when string) {
	t.Helper()
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = c.daemon.Wait() // it is killed
	}()
	select {
	case <-dead:
		c.daemon = nil
	case <-time.After(patience):
		t.Fatalf("%s was not killed when %s", c.name(), when)
	}
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
