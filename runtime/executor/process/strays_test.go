package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// No process has the numbers of this test: they are beyond any machine's.
const far = 1 << 30

func TestStraysOfASession(t *testing.T) {
	process := func(n int, start uint64) procfs.Process { return procfs.Process{PID: far + n, Start: start} }
	of := state{supervisor: process(1, 10), main: process(2, 11)}
	member := procfs.Stat{Process: process(3, 12), Session: far + 2}
	over := of
	over.end = new(ending)
	if got := strays([]procfs.Stat{member}, "t1", over); len(got) > 0 {
		t.Errorf("the task was seen to its end: %v is another's", got)
	}
	for name, c := range map[string]struct{ all, want []procfs.Stat }{
		"the process and its own":       {all: []procfs.Stat{{Process: of.main, Session: far + 2}, member}, want: []procfs.Stat{{Process: of.main, Session: far + 2}, member}},
		"the process has ended":         {all: []procfs.Stat{member}, want: []procfs.Stat{member}},
		"another session":               {all: []procfs.Stat{{Process: process(3, 12), Session: far + 4}}},
		"older than the supervisor":     {all: []procfs.Stat{{Process: process(3, 9), Session: far + 2}}},
		"the number is another's":       {all: []procfs.Stat{{Process: process(2, 99), Session: far + 2}, member}},
		"the number is a bystander's":   {all: []procfs.Stat{{Process: process(2, 99), Session: far + 7}, member}},
		"the supervisor is not a stray": {all: []procfs.Stat{{Process: of.supervisor, Session: far + 2}}},
	} {
		if got := strays(c.all, "t1", of); !cmp.Equal(got, c.want, cmp.Transformer("empty", func(s []procfs.Stat) map[int]procfs.Stat {
			m := map[int]procfs.Stat{}
			for _, p := range s {
				m[p.PID] = p
			}
			return m
		})) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
