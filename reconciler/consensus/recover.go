package consensus

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Remains is what one manager's disk holds of its cluster.
type Remains struct {
	store.Snapshot           // with all that the log holds, whether or not it was agreed on
	Members        []Member  // as the log names them
	At             time.Time // of the newest entry
}

// Recover makes this manager the only voter of its cluster, with all that its
// disk holds: the way back when a majority of the voters is lost for ever. It is
// for a manager that is not open. What only the others had acknowledged is lost;
// what this one had written and the others not agreed on is agreed on from then
// on.
//
// revise is asked once all is read, and may refuse: then nothing has changed.
// What it returns is written together with the new membership: whenever this is
// killed, the disk is that of before or that of after, and asking again is safe.
func Recover(cfg Config, revise func(Remains) (specs.Transaction, error)) (err error) {
	logger := raftLog(cmp.Or(cfg.Log, slog.Default()))
	disk, err := openStorage(cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.close()) }()
	members, err := disk.members()
	if err != nil {
		return err
	}
	var me raft.Configuration
	for _, m := range members {
		if m.ID == cfg.NodeID {
			me.Servers = []raft.Server{{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)}}
		}
	}
	if len(me.Servers) == 0 {
		return fmt.Errorf("this node is none of the managers that its data in %s names: begin on one that is", cfg.Dir)
	}
	conf := raftConfig(cfg)
	conf.Logger = logger
	r := &recovering{machine: newMachine(cfg.Store, func() int { return Newest }, func() {}, func(*raft.Log, time.Time) {}), members: members, revise: revise}
	_, loopback := raft.NewInmemTransport(me.Servers[0].Address)
	if err := raft.RecoverCluster(conf, r, disk.log, disk.stable, disk.snapshots, loopback, me); err != nil {
		return cmp.Or(r.failure(), r.refused, err)
	}
	p := probation{store: disk.stable} // nobody is left who could end it
	return p.set(false)
}

// recovering is a machine whose snapshot holds what revise wants too. It is made
// once, of everything.
type recovering struct {
	*machine
	members []Member
	revise  func(Remains) (specs.Transaction, error)
	refused error
}

func (r *recovering) Snapshot() (raft.FSMSnapshot, error) {
	if err := r.failure(); err != nil {
		return nil, err // raft has not looked at what Apply returned
	}
	snap := r.store.Snapshot()
	tx, err := r.revise(Remains{snap, r.members, r.last()})
	if err == nil {
		err = r.store.Apply(snap.Index()+1, []specs.Transaction{tx})[0]
	}
	if r.refused = err; err != nil {
		return nil, err
	}
	return r.machine.Snapshot()
}

// finishRecovery cuts the log that a recovery left which was killed. Other
// managers would get its entries instead of the snapshot, which has more in it.
// raft writes such a snapshot as if its members were agreed on first of all; a
// cluster that has only ever had one manager looks the same, and loses nothing.
func (s storage) finishRecovery() error {
	newest, err := s.newest()
	if err != nil {
		return err
	}
	first, err := s.log.FirstIndex()
	if err != nil {
		return fmt.Errorf("read where the log begins: %w", err)
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return fmt.Errorf("read where the log ends: %w", err)
	}
	if last == 0 || newest.ConfigurationIndex != 1 || newest.Index < last {
		return nil
	}
	if err := s.log.DeleteRange(first, last); err != nil {
		return fmt.Errorf("cut the log that a recovery left: %w", err)
	}
	return nil
}

// newest is the newest snapshot, the zero value if there is none.
func (s storage) newest() (raft.SnapshotMeta, error) {
	snapshots, err := s.snapshots.List()
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("list snapshots: %w", err)
	}
	if len(snapshots) == 0 {
		return raft.SnapshotMeta{}, nil
	}
	return *snapshots[0], nil
}

// members are the managers as the newest entry about them says. What comes before
// the newest snapshot counts no more, also where it is still there.
func (s storage) members() ([]Member, error) {
	newest, err := s.newest()
	if err != nil {
		return nil, err
	}
	last, err := s.log.LastIndex()
	if err != nil {
		return nil, fmt.Errorf("read where the log ends: %w", err)
	}
	for index := last; index > newest.Index; index-- {
		var entry raft.Log
		if err := s.log.GetLog(index, &entry); err != nil {
			return nil, fmt.Errorf("read entry %d of the log: %w", index, err)
		}
		if entry.Type == raft.LogConfiguration {
			return membersOf(raft.DecodeConfiguration(entry.Data), ""), nil
		}
	}
	return membersOf(newest.Configuration, ""), nil
}
