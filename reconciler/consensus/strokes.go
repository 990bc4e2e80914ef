package consensus

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// strokes are raft's writes that are under way, so that a disk that hangs is
// noticed: raft itself waits for it for ever.
type strokes struct {
	mu    sync.Mutex
	next  int
	begun map[int]time.Time
}

// begin notes a write; end is called when it is done.
func (s *strokes) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil {
		s.begun = make(map[int]time.Time)
	}
	this := s.next
	s.next++
	s.begun[this] = time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.begun, this)
	}
}

// longest is how long the oldest write under way has taken.
func (s *strokes) longest() (d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.begun {
		d = max(d, time.Since(at))
	}
	return d
}

type timedLog struct {
	raft.LogStore
	strokes *strokes
}

func (l timedLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

func (l timedLog) StoreLogs(es []*raft.Log) error {
	defer l.strokes.begin()()
	return l.LogStore.StoreLogs(es)
}

func (l timedLog) DeleteRange(first, last uint64) error {
	defer l.strokes.begin()()
	return l.LogStore.DeleteRange(first, last)
}

// IsMonotonic tells raft that the log may have no holes, as the one inside does.
func (l timedLog) IsMonotonic() bool {
	m, ok := l.LogStore.(raft.MonotonicLogStore)
	return ok && m.IsMonotonic()
}

type timedStable struct {
	raft.StableStore
	strokes *strokes
}

func (s timedStable) Set(key, value []byte) error {
	defer s.strokes.begin()()
	return s.StableStore.Set(key, value)
}

func (s timedStable) SetUint64(key []byte, value uint64) error {
	defer s.strokes.begin()()
	return s.StableStore.SetUint64(key, value)
}
