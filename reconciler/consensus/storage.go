package consensus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// storage is where raft keeps what must outlive the process.
type storage struct {
	log       raft.LogStore
	stable    raft.StableStore
	snapshots raft.SnapshotStore
	probe     func() error // writes to the disk, and returns when that is done
	closers   []io.Closer
}

const (
	snapshotsKept = 2
	lockPatience  = time.Second // for another process to let go of the directory
	cachedEntries = 64          // read again by followers that are a little behind; 64 KiB each in a storm
)

func openStorage(cfg Config, logger hclog.Logger) (storage, error) {
	if m := cfg.Memory; m != nil {
		return storage{log: memoryLog{m.entries, m}, stable: memoryStable{m.entries, m}, snapshots: m.snapshots, probe: m.probe}, nil
	}
	s, err := openDisk(cfg.Dir, logger)
	if err != nil {
		return storage{}, errors.Join(err, s.close())
	}
	return s, nil
}

func openDisk(dir string, logger hclog.Logger) (s storage, err error) {
	s.probe = func() error { return syncedFile(filepath.Join(dir, "probe")) }
	logDir := filepath.Join(dir, "wal")
	if err := os.MkdirAll(logDir, 0o700); err != nil {
		return s, fmt.Errorf("make the log's directory: %w", err)
	}
	stable, err := openStable(filepath.Join(dir, "stable.db"))
	if err != nil {
		return s, err
	}
	s.stable, s.closers = stable, append(s.closers, stable)
	entries, err := wal.Open(logDir, wal.WithLogger(logger.Named("wal")))
	if err != nil {
		return s, fmt.Errorf("open the log %s: %w", logDir, err)
	}
	s.closers = append(s.closers, entries)
	if s.log, err = raft.NewLogCache(cachedEntries, entries); err != nil {
		return s, fmt.Errorf("cache the log: %w", err)
	}
	if s.snapshots, err = raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, logger.Named("snapshot")); err != nil {
		return s, fmt.Errorf("open the snapshots of %s: %w", dir, err)
	}
	// Before anything is written: a log whose stable store is lost would have this
	// manager vote twice in a term.
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return s, fmt.Errorf("wait until the names in %s are on disk: %w", dir, err)
	}
	return s, nil
}

// syncDir waits until the names in a directory are on disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openStable is opened first: its lock is the directory's.
func openStable(path string) (*raftboltdb.BoltStore, error) {
	stable, err := raftboltdb.New(raftboltdb.Options{
		Path:        path,
		BoltOptions: &bbolt.Options{Timeout: lockPatience, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another process uses it: stop the other daemon or choose another data directory", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return stable, nil
}

// number is what the stable store has under the key; 0 if it has nothing.
func (s storage) number(key []byte) (uint64, error) {
	n, err := s.stable.GetUint64(key)
	if err != nil && err.Error() == "not found" { // raft's stores have no better way to say it
		err = nil
	}
	return n, err
}

// takeBackTerm undoes the bootstrap that was killed before it wrote who votes. The
// first term is written before, and is that of no election: raft would take it for
// the state of a cluster, which nobody would ever lead.
func (s storage) takeBackTerm() error {
	last, err := s.log.LastIndex()
	if err != nil {
		return fmt.Errorf("read where the log ends: %w", err)
	}
	term, err := s.number(termKey)
	if err != nil {
		return fmt.Errorf("read the term: %w", err)
	}
	if last > 0 || term != 1 {
		return nil
	}
	if err := s.stable.SetUint64(termKey, 0); err != nil {
		return fmt.Errorf("take back the term of a bootstrap that was not done: %w", err)
	}
	return nil
}

func (s storage) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	return errors.Join(errs...)
}
