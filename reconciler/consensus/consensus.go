// Package consensus makes the managers of a cluster agree on what the store
// holds. It answers the manager's questions "is this written for good?" and "do
// I lead?", and refuses to guess: a proposal whose fate is not known is
// [ErrOutcomeUnknown], never a success and never repeated.
//
// # The way of a proposal
//
// Propose encodes transactions, packs them into entries, and hands all entries
// to hashicorp/raft, which groups those that wait into one write and one fsync.
// A committed entry reaches the store on every manager in the same order, and
// the leader's Propose returns once its own store has applied it. The rules of
// a refusal live in the store; an entry is never refused as a whole.
//
// # What is on disk
//
//	DIR/wal/            the log (raft-wal), one fsync per group of entries
//	DIR/stable.db       term and vote (raft-boltdb)
//	DIR/snapshots/      the two newest snapshots
//	DIR/ballast         space that is given back when the disk is nearly full
//
// An entry is its format number, then the time of its proposal and its
// transactions; a snapshot is its format number, the time of the last entry,
// then what store.Snapshot.Save writes. A format or a field that this release
// does not know stops the node, because a state understood in part must not be
// acted on: Run returns the error, and nothing after that entry is applied.
//
// # Leading
//
// A term begins for the manager when raft has elected it and every entry of
// earlier terms is applied here. Only then are proposals taken. [Consensus.Now]
// is the clock of the rules: it starts a term at the later of the wall clock and
// the time of the last applied entry, and then follows the monotonic clock, so
// that stored times never lie in the future of a new leader.
//
// # A full disk
//
// raft panics when it cannot write its term. So the guard looks at the free
// space each second and refuses proposals well before that; see disk.go.
//
// # State and locks
//
// raft owns its goroutines from Open to Close. Run owns the guard and the
// turns of leadership. leadership.mu guards whether this manager leads and whom
// to tell; the machine's mutex the time and failure of the last applied entry.
package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
)

// What a caller of Propose branches on.
var (
	// ErrNotLeader: another manager leads, or none; nothing was written.
	ErrNotLeader = errors.New("this manager does not lead")
	// ErrOutcomeUnknown: some of the proposal may have been written, or may be
	// written yet. Look at the store, never just repeat.
	ErrOutcomeUnknown = errors.New("it is not known whether the change was written")
	// ErrDiskFull: nothing was written, because the disk has too little space.
	ErrDiskFull = errors.New("the disk is full")
)

// ErrClosed is what a closed Consensus answers.
var ErrClosed = errors.New("consensus is closed")

// Config says how one manager takes part.
type Config struct {
	Dir       string         // its own directory; not used with Memory
	NodeID    string         // this manager's name among the voters
	Store     *store.Store   // what agreed changes are applied to, by nobody else
	Bootstrap bool           // begin a cluster with this manager as its voter, unless there is state
	Transport raft.Transport // to the other voters, closed with the rest; nil is a loopback for one
	Memory    *Memory        // instead of the disk, for tests and throw-away clusters
	Log       *slog.Logger   // nil is slog.Default()

	Snapshots SnapshotConfig
	Disk      DiskConfig
}

// SnapshotConfig says when the log is cut. Zero fields are the defaults.
type SnapshotConfig struct {
	Interval  time.Duration // between looks at the log, up to twice as long; 30 s
	Threshold uint64        // entries since the last snapshot; 4096
	Trailing  uint64        // entries kept behind a snapshot for slow followers; 2048
}

// patience is how long a follower hears nothing before it stands for election,
// and how long a candidate waits for votes. A leader that has not reached a
// majority for lease steps down.
const (
	patience = 300 * time.Millisecond
	lease    = 250 * time.Millisecond
)

// Consensus is this manager's part in the agreement.
type Consensus struct {
	store   *store.Store
	log     *slog.Logger
	machine *machine
	clock   clock
	disk    *diskGuard // nil in memory
	turns   chan bool  // from raft: true begins a turn as leader, false ends it
	leadership

	raft      *raft.Raft
	storage   storage
	transport raft.Transport

	proposals sync.WaitGroup // that wait for raft's answer
	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error
}

// Open reads the state from disk into the store and takes part from then on:
// raft's own goroutines start here and end with Close. Nothing leads and no
// proposal is taken until Run runs.
func Open(cfg Config) (*Consensus, error) {
	c := &Consensus{
		store: cfg.Store, log: cfg.Log, turns: make(chan bool, 1), closed: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.machine = newMachine(cfg.Store)
	c.clock.start(time.Now(), time.Time{})
	c.leadership.init()
	if err := c.open(cfg); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return c, nil
}

func (c *Consensus) open(cfg Config) (err error) {
	if cfg.Memory == nil {
		if c.disk, err = newDiskGuard(cfg.Dir, cfg.Disk, c.log); err != nil {
			return err
		}
	}
	logger := raftLog(c.log)
	if c.storage, err = openStorage(cfg, logger); err != nil {
		return err
	}
	if c.transport = cfg.Transport; c.transport == nil {
		_, c.transport = raft.NewInmemTransport(raft.ServerAddress(cfg.NodeID))
	}
	conf := raftConfig(cfg)
	conf.Logger, conf.NotifyCh = logger, c.turns
	if cfg.Bootstrap {
		if err := c.bootstrap(conf); err != nil {
			return err
		}
	}
	if c.raft, err = raft.NewRaft(conf, c.machine, c.storage.log, c.storage.stable, c.storage.snapshots, c.transport); err != nil {
		return fmt.Errorf("start raft: %w", errors.Join(c.machine.failure(), err))
	}
	if err := c.machine.failure(); err != nil {
		return err
	}
	return c.standIfAlone(conf.LocalID)
}

func raftConfig(cfg Config) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(cfg.NodeID)
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = patience, patience, lease
	conf.SnapshotInterval = orDefault(cfg.Snapshots.Interval, 30*time.Second)
	conf.SnapshotThreshold = orDefault(cfg.Snapshots.Threshold, 4096)
	conf.TrailingLogs = orDefault(cfg.Snapshots.Trailing, 2048)
	conf.BatchApplyCh = true // entries that wait for the disk share the next fsync
	conf.NoLegacyTelemetry = true
	return conf
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// bootstrap writes the first configuration: this manager is the only voter.
func (c *Consensus) bootstrap(conf *raft.Config) error {
	exists, err := raft.HasExistingState(c.storage.log, c.storage.stable, c.storage.snapshots)
	if err != nil {
		return fmt.Errorf("look for the state of a cluster: %w", err)
	}
	if exists {
		return nil
	}
	me := raft.Server{ID: conf.LocalID, Address: c.transport.LocalAddr()}
	voters := raft.Configuration{Servers: []raft.Server{me}}
	if err := raft.BootstrapCluster(conf, c.storage.log, c.storage.stable, c.storage.snapshots, c.transport, voters); err != nil {
		return fmt.Errorf("begin a cluster: %w", err)
	}
	return nil
}

// standIfAlone makes the only voter stand at once: there is no leader that it
// could hear of. raft wakes a follower whose patience is shortened, so a
// millisecond is taken away.
func (c *Consensus) standIfAlone(me raft.ServerID) error {
	current := c.raft.GetConfiguration()
	if err := current.Error(); err != nil {
		return fmt.Errorf("read the cluster's voters: %w", err)
	}
	if servers := current.Configuration().Servers; len(servers) != 1 || servers[0].ID != me {
		return nil
	}
	timing := c.raft.ReloadableConfig()
	timing.HeartbeatTimeout = patience - time.Millisecond
	return c.raft.ReloadConfig(timing)
}

// closePatience bounds how long Close waits for proposals that raft has taken.
// A disk that hangs would hold them for ever.
const closePatience = 5 * time.Second

// Close leaves office and lets go of the disk. Proposals under way are answered
// first. It is safe to call again.
func (c *Consensus) Close() error {
	c.closeOnce.Do(func() {
		c.leadership.end()
		c.leadership.close()
		close(c.closed)
		c.awaitProposals()
		c.closeErr = c.release()
	})
	return c.closeErr
}

func (c *Consensus) awaitProposals() {
	idle := make(chan struct{})
	go func() {
		c.proposals.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(closePatience):
	}
}

func (c *Consensus) release() error {
	var errs []error
	if c.raft != nil {
		errs = append(errs, c.raft.Shutdown().Error())
	}
	if t, ok := c.transport.(raft.WithClose); ok {
		errs = append(errs, t.Close())
	}
	return errors.Join(append(errs, c.storage.close())...)
}
