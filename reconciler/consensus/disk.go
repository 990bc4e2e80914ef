package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs"
)

// DiskConfig bounds how full the disk may get. Zero fields are the defaults.
type DiskConfig struct {
	Floor   uint64 // bytes free below which proposals are refused; 256 MiB
	Ballast uint64 // bytes of the ballast, and bytes free below which it is freed; 64 MiB
	// Free tells the bytes free for this process on the disk that holds dir;
	// nil asks the kernel.
	Free func(dir string) (uint64, error)
}

const (
	diskFloor   = 256 << 20
	diskBallast = 64 << 20
	diskPeriod  = time.Second
)

// diskGuard keeps raft away from a full disk. Below the floor it refuses new
// entries; what is left serves terms, votes, snapshots and the rest of the
// machine. If something else eats that too, the ballast is freed, so that raft
// can still write while people make room. Both come back by themselves.
type diskGuard struct {
	dir string
	cfg DiskConfig
	log *slog.Logger

	mu     sync.Mutex
	reason error // wraps ErrDiskFull; nil while there is room
}

// newDiskGuard makes dir and looks once, before raft writes anything.
func newDiskGuard(dir string, cfg DiskConfig, log *slog.Logger) (*diskGuard, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the cluster's state: %w", err)
	}
	cfg.Floor, cfg.Ballast = orDefault(cfg.Floor, diskFloor), orDefault(cfg.Ballast, diskBallast)
	if cfg.Free == nil {
		cfg.Free = freeBytes
	}
	g := &diskGuard{dir: dir, cfg: cfg, log: log}
	g.check()
	return g, nil
}

func openGuard(cfg Config, log *slog.Logger) (*diskGuard, error) {
	if m := cfg.Memory; m != nil {
		return &diskGuard{dir: "memory", cfg: DiskConfig{Floor: diskFloor, Free: m.free}, log: log}, nil
	}
	return newDiskGuard(cfg.Dir, cfg.Disk, log)
}

// DiskTrouble is why proposals are refused for want of space, in words; nil
// while there is room.
func (c *Consensus) DiskTrouble() error { return c.disk.full() }

// full is why proposals are refused, or nil.
func (g *diskGuard) full() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}

// check looks at the disk and does what is due. A look that fails changes
// nothing but the log: not to know is no reason to stop.
func (g *diskGuard) check() {
	free, err := g.cfg.Free(g.dir)
	if err != nil {
		g.log.Error("free disk space is not known", "dir", g.dir, "error", err)
		return
	}
	if err := g.trimBallast(free); err != nil {
		g.log.Warn("ballast is not as it should be", "error", err)
	}
	g.judge(free)
}

func (g *diskGuard) judge(free uint64) {
	var reason error
	if free < g.cfg.Floor {
		reason = fmt.Errorf("%w: %s has %s free and needs %s: make room on that disk", ErrDiskFull,
			g.dir, wholeMiB(free), wholeMiB(g.cfg.Floor))
	}
	g.mu.Lock()
	before := g.reason
	g.reason = reason
	g.mu.Unlock()
	switch {
	case before == nil && reason != nil:
		g.log.Error("changes are refused", "error", reason)
	case before != nil && reason == nil:
		g.log.Info("changes are taken again", "dir", g.dir, "free", wholeMiB(free))
	}
}

// trimBallast frees the ballast when space is nearly gone, and makes it when it
// leaves at least the floor.
func (g *diskGuard) trimBallast(free uint64) error {
	if g.cfg.Ballast == 0 {
		return nil // in memory
	}
	path := filepath.Join(g.dir, "ballast")
	_, err := os.Stat(path)
	exists := err == nil
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case exists && free < g.cfg.Ballast:
		g.log.Warn("ballast is freed", "dir", g.dir, "free", wholeMiB(free))
		return os.Remove(path)
	case !exists && free >= g.cfg.Floor+g.cfg.Ballast:
		return makeBallast(path, g.cfg.Ballast)
	}
	return nil
}

// makeBallast takes the space for good, where the file system can.
func makeBallast(path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(size))
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fill(f, size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

func fill(f *os.File, size uint64) error {
	zeros := make([]byte, 1<<20)
	for left := size; left > 0; {
		n, err := f.Write(zeros[:min(left, uint64(len(zeros)))])
		if err != nil {
			return err
		}
		left -= uint64(n)
	}
	return nil
}

func freeBytes(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

func wholeMiB(n uint64) string { return specs.Bytes(n &^ (1<<20 - 1)).String() }
