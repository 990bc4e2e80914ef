package consensus

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

const mib = 1 << 20

// fakeDisk tells the free space that a test sets.
type fakeDisk struct {
	free atomic.Uint64
	err  error
}

func (d *fakeDisk) Free(string) (uint64, error) { return d.free.Load(), d.err }

func TestDiskGuard(t *testing.T) {
	type look struct {
		free    uint64
		full    bool
		ballast bool
	}
	for name, looks := range map[string][]look{
		"room":                           {{100 * mib, false, true}},
		"below the floor":                {{15 * mib, true, false}},
		"ballast freed, then back":       {{100 * mib, false, true}, {3 * mib, true, false}, {7 * mib, true, false}, {100 * mib, false, true}},
		"full but not nearly gone":       {{100 * mib, false, true}, {15 * mib, true, true}, {16 * mib, false, true}},
		"no ballast at the floor's cost": {{19 * mib, false, false}, {20 * mib, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, disk := t.TempDir(), &fakeDisk{}
			disk.free.Store(looks[0].free)
			g, err := newDiskGuard(dir, DiskConfig{Floor: 16 * mib, Ballast: 4 * mib, Free: disk.Free}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range looks {
				disk.free.Store(l.free)
				g.check()
				if full := g.full(); (full != nil) != l.full {
					t.Errorf("look %d, %d bytes free: %v", i+1, l.free, full)
				}
				info, err := os.Stat(filepath.Join(dir, "ballast"))
				if l.ballast && (err != nil || info.Size() != 4*mib) || !l.ballast && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("look %d, %d bytes free: ballast is %v (%v)", i+1, l.free, info, err)
				}
			}
			disk.err, disk.free = errors.New("no such device"), atomic.Uint64{}
			before := g.full()
			g.check()
			if after := g.full(); !errors.Is(after, before) {
				t.Errorf("a failed look changed %v to %v", before, after)
			}
		})
	}
}

func TestAFullDiskRefusesProposalsUntilThereIsRoom(t *testing.T) {
	disk := &fakeDisk{}
	disk.free.Store(100 << 20)
	dir := t.TempDir()
	r := run(t, Config{Dir: dir, Bootstrap: true, Disk: DiskConfig{Ballast: mib, Free: disk.Free}})
	r.lead(t)
	_, err := r.Propose(t.Context(), []specs.Transaction{ref(1)})
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), dir+" has 100M free and needs 256M") {
		t.Errorf("got %v, want the directory and the sizes", err)
	}
	disk.free.Store(1 << 30)
	r.disk.check()
	r.write(t, ref(1))
}

func TestFreeBytesAsksTheKernel(t *testing.T) {
	if free, err := freeBytes(t.TempDir()); err != nil || free == 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if _, err := freeBytes("/nonexistent"); err == nil {
		t.Error("a missing directory has free space")
	}
}
