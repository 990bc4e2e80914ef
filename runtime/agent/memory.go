package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	memoryFile = "tasks.db"

	// writePause is how long a change may wait for others before it is written.
	// It keeps the disk out of the way of starting tasks: most of their states are
	// over before they are written.
	writePause = time.Second

	// writeRetry is the pause after a write that did not succeed.
	writeRetry = time.Second

	// mappedSize, in bytes, is what the file can grow to before it is mapped anew.
	// It takes no room until then.
	mappedSize = 1 << 20

	// lockTimeout is how long another daemon may hold the file.
	lockTimeout = 5 * time.Second
)

var (
	tasksBucket = []byte("tasks")
	nodeBucket  = []byte("node")     // what is known of the cluster itself
	managersKey = []byte("managers") // in nodeBucket
)

// row is what the disk holds of one task.
type row struct {
	ServiceID   string            `json:"service_id"`
	ServiceName string            `json:"service_name"`
	Stack       string            `json:"stack"`
	Slot        uint64            `json:"slot,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // the service's, if templates need them
	Spec        specs.TaskSpec    `json:"spec"`
	Life        task.Life         `json:"life"`
	Forgotten   bool              `json:"forgotten,omitempty"` // by the cluster: to be removed
}

// source tells what the disk is to hold of a task, when it is written.
type source interface{ kept() row }

// memory is the node's tasks on disk, written behind. It is safe for concurrent
// use.
type memory struct {
	bolt *bbolt.DB

	mu     sync.Mutex
	next   *batch // what is written next
	behind *batch // what is being written; nil when nothing is

	wake   chan struct{} // next is not empty
	urgent chan struct{} // somebody waits for next
}

// batch is what comes to disk together.
type batch struct {
	rows     map[string]source // nil removes
	managers []wire.Manager    // where they are; nil if that is no news
	written  chan struct{}     // closed once all that is there
	failed   *batch            // an earlier one that is written with this one
}

func newBatch() *batch { return &batch{rows: map[string]source{}, written: make(chan struct{})} }

func (b *batch) empty() bool { return len(b.rows) == 0 && b.managers == nil }

// done tells those who wait for the batch.
func (b *batch) done() {
	for ; b != nil; b = b.failed {
		close(b.written)
	}
}

// take adds what could not be written of a batch, where b has no newer.
func (b *batch) take(failed *batch) {
	if b.managers == nil {
		b.managers = failed.managers
	}
	for id, s := range failed.rows {
		if _, newer := b.rows[id]; !newer {
			b.rows[id] = s
		}
	}
	b.failed = failed
}

// errDamaged says that what was remembered cannot be read, though the disk can.
var errDamaged = errors.New("it is damaged")

// remembered is what the disk holds.
type remembered struct {
	rows     map[string]row
	managers []wire.Manager // where they were last; nil if none ever told
}

// recall opens the memory at path. One that is damaged is set aside and begun anew, as
// after the loss of the disk: what runs is found at the executor, and the managers tell
// what is wanted.
func recall(ctx context.Context, path string, log *slog.Logger) (*memory, remembered, error) {
	was, err := readMemory(path)
	if errors.Is(err, errDamaged) {
		aside := path + ".damaged"
		log.ErrorContext(ctx, "what this node knew of its tasks is set aside and learnt anew, from the containers that run and from the managers",
			"file", path, "aside", aside, "error", err)
		if err = os.Rename(path, aside); err != nil {
			err = fmt.Errorf("set the node's tasks aside: %w", err)
		}
	}
	if err != nil {
		return nil, remembered{}, err
	}
	m, err := openMemory(path)
	return m, was, err
}

// readMemory reads all that the memory at path holds; nothing if there is none. It only
// reads: a bbolt that is to write looks at every page first, in a goroutine of its own,
// where a damaged one ends the whole process.
func readMemory(path string) (was remembered, err error) {
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return remembered{}, nil
	}
	db, err := openBolt(path, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return remembered{}, err
	}
	defer db.Close()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // where the file was cut off
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
		if err != nil {
			was, err = remembered{}, fmt.Errorf("read the node's tasks at %s: %w: %w", path, errDamaged, err)
		}
	}()
	m := &memory{bolt: db}
	if was.rows, err = m.load(); err == nil {
		was.managers, err = m.managers()
	}
	return was, err
}

// openBolt opens the file of a memory. Its error tells whether that is damaged.
func openBolt(path string, options *bbolt.Options) (*bbolt.DB, error) {
	options.Timeout = lockTimeout
	db, err := bbolt.Open(path, 0o600, options)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open the node's tasks at %s: another daemon has them: %w", path, err)
	case err != nil && !errors.As(err, new(syscall.Errno)): // nothing that the system says
		return nil, fmt.Errorf("open the node's tasks at %s: %w: %w", path, errDamaged, err)
	case err != nil:
		return nil, fmt.Errorf("open the node's tasks at %s: %w", path, err)
	}
	return db, nil
}

func openMemory(path string) (*memory, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the agent's directory: %w", err)
	}
	db, err := openBolt(path, &bbolt.Options{InitialMmapSize: mappedSize, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := errors.Join(identity.SyncDir(dir), identity.SyncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(fmt.Errorf("wait until the name of the node's tasks, %s, is on disk: %w", path, err), db.Close())
	}
	return &memory{
		bolt: db, next: newBatch(),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
	}, nil
}

func (m *memory) close() error { return m.bolt.Close() }

// load returns every row. It is called before run.
func (m *memory) load() (map[string]row, error) {
	rows := map[string]row{}
	err := m.bolt.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(tasksBucket)
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(id, data []byte) error {
			var r row
			if err := encoding.UnmarshalMessage(data, &r); err != nil {
				return fmt.Errorf("task %s: %w", id, err)
			}
			rows[string(id)] = r
			return nil
		})
	})
	return rows, err
}

// managers returns the managers that were kept last; nil if none ever were.
func (m *memory) managers() (known []wire.Manager, err error) {
	err = m.bolt.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nodeBucket)
		if bucket == nil {
			return nil
		}
		return encoding.UnmarshalMessage(bucket.Get(managersKey), &known)
	})
	return known, err
}

// keepManagers writes soon where the managers are: a node whose disk hangs goes on
// looking for them.
func (m *memory) keepManagers(known []wire.Manager) {
	m.mu.Lock()
	m.next.managers = known
	m.mu.Unlock()
	signal(m.wake)
}

// put writes the task's row soon; nil removes it.
func (m *memory) put(id string, s source) {
	m.mu.Lock()
	m.next.rows[id] = s
	m.mu.Unlock()
	signal(m.wake)
}

// flush returns once everything that was put before is on disk.
func (m *memory) flush(ctx context.Context) error {
	m.mu.Lock()
	written := m.next.written
	if m.next.empty() {
		if m.behind == nil {
			m.mu.Unlock()
			return nil
		}
		written = m.behind.written
	}
	m.mu.Unlock()
	signal(m.urgent)
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes until ctx ends and everything is written.
func (m *memory) run(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		select {
		case <-m.wake:
			gather(ctx, m.urgent, writePause)
			if err := m.write(); err != nil {
				log.ErrorContext(ctx, "the node's tasks cannot be written; trying again", "error", err)
				_ = bell.Sleep(ctx, writeRetry)
				signal(m.wake)
			}
		case <-ctx.Done():
		}
	}
	if err := m.write(); err != nil {
		log.ErrorContext(ctx, "the last states of the node's tasks are not written; its containers tell them", "error", err)
	}
}

// write brings the next batch to disk. What could not be written is next again.
func (m *memory) write() error {
	m.mu.Lock()
	b := m.next
	m.behind, m.next = b, newBatch()
	m.mu.Unlock()

	var err error
	if !b.empty() { // an empty commit costs as much as any other
		err = m.bolt.Update(b.commit)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.behind = nil
	if err != nil {
		m.next.take(b)
		return err
	}
	b.done()
	return nil
}

func (b *batch) commit(tx *bbolt.Tx) error {
	if err := b.commitManagers(tx); err != nil {
		return err
	}
	bucket, err := tx.CreateBucketIfNotExists(tasksBucket)
	if err != nil {
		return err
	}
	for id, s := range b.rows {
		if err := commitRow(bucket, id, s); err != nil {
			return fmt.Errorf("task %s: %w", id, err)
		}
	}
	return nil
}

func (b *batch) commitManagers(tx *bbolt.Tx) error {
	if b.managers == nil {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists(nodeBucket)
	if err != nil {
		return err
	}
	data, err := encoding.Marshal(b.managers)
	if err != nil {
		return err
	}
	return bucket.Put(managersKey, data)
}

func commitRow(bucket *bbolt.Bucket, id string, s source) error {
	if s == nil {
		return bucket.Delete([]byte(id))
	}
	data, err := encoding.Marshal(s.kept())
	if err != nil {
		return err
	}
	return bucket.Put([]byte(id), data)
}

// signal says "look again" to a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// gather lets more come for the time of pause, unless it is urgent.
func gather(ctx context.Context, urgent <-chan struct{}, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-urgent:
	case <-ctx.Done():
	}
}
