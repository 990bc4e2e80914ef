package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs/bell"
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
	Dir       string       // its own directory; not used with Memory
	NodeID    string       // this manager's name among the managers
	Store     *store.Store // what agreed changes are applied to, by nobody else
	Bootstrap bool         // begin a cluster with this manager as its voter, unless there is state
	Network   Network      // to the other managers, closed with the rest
	Transport Transport    // instead of a Network, in memory; neither is a loopback for one
	Memory    *Memory      // instead of the disk, for tests
	Log       *slog.Logger // nil is slog.Default()

	// MayBegin says why this manager must not take part any more, given the other
	// managers as its disk names them; nil always may. It is asked by Open, which
	// then fails, before anything is said to anybody.
	MayBegin func(others []Member) error

	// Format is the newest format that every manager reads: see Usable. nil is
	// the newest of this release. It is called for every proposal.
	Format func() int

	// Room tells of another manager whether its disk has room, as far as that is
	// known: one whose own is full hands over to no other such one. nil knows of
	// nobody.
	Room func(nodeID string) (has, known bool)

	// Proposed is told how long each Propose took and what it returned, Committed
	// how long raft took with each entry of this leader. nil is nobody.
	Proposed  func(took time.Duration, err error)
	Committed func(took time.Duration)

	Snapshots SnapshotConfig
	Disk      DiskConfig
	Wall      func() time.Time // the wall clock, for tests; nil is time.Now
}

// SnapshotConfig says when the log is cut. Zero fields are the defaults.
type SnapshotConfig struct {
	Threshold uint64 // entries since the last snapshot; 4096
	Trailing  uint64 // entries kept behind a snapshot for slow followers; 2048
}

// patience is how long a follower hears nothing before it stands for election,
// and how long a candidate waits for votes. A leader that has not reached a
// majority for lease steps down. Heartbeats come ten times as often.
// BenchmarkFailover measures what follows from them.
const (
	patience = 300 * time.Millisecond
	lease    = 290 * time.Millisecond
)

// snapshotLooks is the time between two looks whether the log is to be cut, or up to
// twice that.
const snapshotLooks = 30 * time.Second

// Consensus is this manager's part in the agreement.
type Consensus struct {
	id        raft.ServerID
	opened    time.Time
	log       *slog.Logger
	usable    func() int // the format to write; nil is the newest
	room      func(nodeID string) (has, known bool)
	proposed  func(took time.Duration, err error)
	committed func(took time.Duration)
	machine   *machine
	clock     clock
	disk      *diskGuard
	turns     chan bool // from raft: true begins a turn as leader, false ends it
	queue     queue
	changing  chan struct{} // holds one while the members are looked at and changed
	news      bell.Bell     // of leaders and members
	handing   atomic.Int32  // how many hand-overs are under way
	leadership
	watchdog
	probation probation
	strokes   strokes
	probe     probe
	pulse     pulse

	raft    *raft.Raft
	storage storage
	gate    *gate // nil until the transport is open

	proposals sync.WaitGroup // and barriers, that wait for raft's answer
	closing   atomic.Bool    // somebody closes
	closed    chan struct{}  // closed when nobody is to wait any more
	released  chan struct{}  // closed with closeErr
	closeErr  error
}

// Open reads the state from disk into the store and takes part from then on:
// raft's own goroutines start here and end with Close. Nothing leads and no
// proposal is taken until Run runs.
func Open(cfg Config) (*Consensus, error) {
	c := &Consensus{
		id: raft.ServerID(cfg.NodeID), opened: time.Now(), log: cfg.Log, usable: cfg.Format, room: cfg.Room, clock: clock{wall: cfg.Wall},
		turns: make(chan bool, 1), queue: queue{ready: make(chan struct{}, 1)}, pulse: pulse{awake: make(chan struct{}, 1)}, changing: make(chan struct{}, 1), closed: make(chan struct{}), released: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	if c.room == nil {
		c.room = func(string) (has, known bool) { return false, false }
	}
	if c.proposed = cfg.Proposed; c.proposed == nil {
		c.proposed = func(time.Duration, error) {}
	}
	if c.committed = cfg.Committed; c.committed == nil {
		c.committed = func(time.Duration) {}
	}
	if c.clock.wall == nil {
		c.clock.wall = time.Now
	}
	c.machine = newMachine(cfg.Store, c.format, c.membersChanged, c.hear)
	c.leadership.init()
	if err := c.open(cfg); err != nil {
		return nil, errors.Join(err, c.release())
	}
	return c, nil
}

func (c *Consensus) open(cfg Config) (err error) {
	logger := raftLog(c.log)
	c.gate = newGate(openTransport(cfg, logger), c.probation.refusal)
	if c.disk, err = openGuard(cfg, c.log); err != nil {
		return err
	}
	if c.storage, err = openStorage(cfg, logger); err != nil {
		return err
	}
	if err := c.storage.finishRecovery(); err != nil {
		return err
	}
	if err := cfg.mayBegin(c.storage); err != nil {
		return err
	}
	conf := raftConfig(cfg)
	conf.Logger, conf.NotifyCh = logger, c.turns
	if cfg.Bootstrap {
		if err := c.bootstrap(conf); err != nil {
			return err
		}
	}
	if err := c.probation.begin(c.storage); err != nil {
		return err
	}
	c.probe.write = c.storage.probe
	log := timedLog{c.storage.log, &c.strokes}
	stable := votes{timedStable{c.storage.stable, &c.strokes}, &c.probation}
	if c.raft, err = raft.NewRaft(conf, c.machine, log, stable, c.storage.snapshots, c.gate); err != nil {
		return fmt.Errorf("start raft: %w", errors.Join(c.machine.failure(), err))
	}
	if err := c.machine.failure(); err != nil {
		return err
	}
	c.gate.raft.Store(c.raft)
	c.raft.RegisterObserver(raft.NewObserver(nil, false, c.observe))
	return c.standIfAlone(conf.LocalID)
}

func (cfg Config) mayBegin(disk storage) error {
	if cfg.MayBegin == nil {
		return nil
	}
	members, err := disk.members()
	if err != nil {
		return err
	}
	return cfg.MayBegin(slices.DeleteFunc(members, func(m Member) bool { return m.ID == cfg.NodeID }))
}

func openTransport(cfg Config, logger hclog.Logger) Transport {
	switch {
	case cfg.Network != nil:
		return transportOver(cfg.Network, logger)
	case cfg.Transport != nil:
		return cfg.Transport
	}
	_, loopback := raft.NewInmemTransport(raft.ServerAddress(cfg.NodeID))
	return loopback
}

func (c *Consensus) membersChanged() {
	c.gate.settle()
	c.news.Ring()
}

func raftConfig(cfg Config) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(cfg.NodeID)
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = patience, patience, lease
	conf.SnapshotInterval = snapshotLooks
	conf.SnapshotThreshold = orDefault(cfg.Snapshots.Threshold, 4096)
	conf.TrailingLogs = orDefault(cfg.Snapshots.Trailing, 2048)
	conf.MaxAppendEntries = entriesAtOnce
	conf.BatchApplyCh = true // entries that wait for the disk share the next fsync
	conf.NoLegacyTelemetry = true
	conf.ShutdownOnRemove = false // Close is who shuts down
	return conf
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// bootstrap writes the first configuration: this manager is the only voter. One
// that was killed before that was done does it again.
func (c *Consensus) bootstrap(conf *raft.Config) error {
	if err := c.storage.takeBackTerm(); err != nil {
		return err
	}
	exists, err := raft.HasExistingState(c.storage.log, c.storage.stable, c.storage.snapshots)
	if err != nil {
		return fmt.Errorf("look for the state of a cluster: %w", err)
	}
	if exists {
		return nil
	}
	me := raft.Server{ID: conf.LocalID, Address: c.gate.LocalAddr()}
	voters := raft.Configuration{Servers: []raft.Server{me}}
	if err := raft.BootstrapCluster(conf, c.storage.log, c.storage.stable, c.storage.snapshots, c.gate, voters); err != nil {
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
