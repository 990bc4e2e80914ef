package consensus

import (
	"errors"
	"os"
	"sync/atomic"
)

// probe writes to the disk now and then, so that one that hangs is noticed also
// while raft has nothing to write: a push waits for the same disk before that.
type probe struct {
	write   func() error
	writing atomic.Bool
}

// try writes, unless the last try has not ended yet. It does not wait.
func (p *probe) try(s *strokes) {
	if !p.writing.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer p.writing.Store(false)
		defer s.begin()()
		_ = p.write() // only how long it takes matters: the disk guard looks at what else may be wrong
	}()
}

// syncedFile overwrites a small file and returns once that is on disk.
func syncedFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("Whether this disk hangs is tried here.\n")
	return errors.Join(err, f.Sync(), f.Close())
}
