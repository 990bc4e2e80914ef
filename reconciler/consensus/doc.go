// Package consensus makes the managers of a cluster agree on what the store
// holds. It answers the manager's questions "is this written for good?", "do I
// lead, and who does?" and "who are the managers?", and refuses to guess: a
// proposal whose fate is not known is [ErrOutcomeUnknown], never a success and
// never repeated.
//
// # The way of a proposal
//
// Propose encodes transactions and queues them. One goroutine packs what waits,
// of one proposal or of many, into entries and hands them to hashicorp/raft, a
// few at a time, so that callers share the disk's and the network's time. A
// committed entry reaches the store on every manager in the same order, and the
// leader's Propose returns once its own store has applied it. The rules of a
// refusal live in the store; an entry is never refused as a whole.
//
// # What is on disk
//
//	DIR/wal/            the log (raft-wal), one fsync per group of entries
//	DIR/stable.db       term and vote, and whether this manager may vote (raft-boltdb)
//	DIR/snapshots/      the two newest snapshots
//	DIR/ballast         space that is given back when the disk is nearly full
//
// An entry is its format number, then the time of its proposal and its
// transactions; a snapshot is its format number, the time of the last entry,
// then what store.Snapshot.Save writes. A format or a field that this release
// does not know stops the node, because a state understood in part must not be
// acted on: Run returns the error, and nothing after that entry is applied. So a
// new format is written only when every manager reads it: [Usable] says which,
// from what each says of itself, and Config.Format passes it on. A
// manager too old for what is written may not join.
//
// # Leading
//
// A term begins for the manager when raft has elected it and every entry of
// earlier terms is applied here. Only then are proposals taken. [Consensus.Now]
// is the clock of the rules. A manager that has followed counts it on from what
// its leader's entries say, by the monotonic clock, steered toward its own wall
// clock by at most a tenth; a leader with nothing to write says the time once a
// minute. So stored times never lie in the future of a new leader, and a wall
// clock that is wrong by hours takes nobody into another time. Where all managers
// were down nobody has counted: then the wall clock of the first to lead is
// believed.
//
// A leader whose process has stood still for long, stopped or frozen with its
// machine, begins another term before it writes anything: to it everybody seems to
// have been silent, and nobody was. See pulse.go.
// One of several may have been deposed meanwhile and not know it for a moment. What
// it writes then comes to nothing; who acts on what it reads asks
// [Consensus.Confirm] first.
//
// Whoever leaves office in order hands over: Close, Remove of the leader, a full
// disk. Then the others are without a leader for a round trip and not for an
// election's timeout.
//
// # Managers that come and go
//
// A new manager opens without Bootstrap, on an empty disk. It knows nobody and
// stands for nothing. It sends its Joining to the leader again and again, by
// whatever way the caller has; Join makes it a member without a vote, and a
// voter once it has caught up. A restarted manager does the same, because its
// address may have changed. If nobody leads who could write that down, the
// others find it where it asks for votes from.
//
// A voter whose disk was wiped is the dangerous one: it has forgotten its votes,
// and what it has helped to acknowledge. A manager that begins with an empty
// disk is therefore on probation, also over restarts: raft cannot write a vote,
// so gives none, until the leader has taken its vote away, brought it up to date
// and given it back. Bootstrap on a wiped disk would make it the leader of a
// cluster of its own: it is for the very first start alone. Two voters wiped at
// the same time are more than three managers can bear. So is one that is wiped
// while another has missed who votes: raft gives no vote to a candidate that it
// does not know for a voter. Nothing is lost then, but nobody leads. The same holds
// for a leader that is lost in the moment between a vote that it gave and the news of
// that to all the others, until it is back.
//
// [Recover] is the way back from both: it makes one manager the only voter, with
// what its disk holds, by raft's own RecoverCluster. The revision of the store that
// goes with it is in the snapshot that raft writes for that, so both are there or
// neither. [Config.MayBegin] keeps those that were left behind from leading what is
// not theirs any more.
//
// A wiped machine may also join as a new manager, at the address of the one that it
// was. Whoever dials a manager therefore says which, see [Network]: the new one has
// neither what the old one acknowledged nor its vote.
//
// # A bad disk
//
// raft panics when it cannot write its term. So the guard looks at the free
// space each second and refuses proposals well before that; see disk.go. A
// leader with a full disk hands over, at most once a minute.
//
// A disk that hangs blocks raft's main loop, but not its heartbeats: the leader
// would stay in office and do nothing, and cannot even hand over. The watchdog
// notices a write that takes too long, and then holds back all that raft sends
// until raft is awake and has stepped down. The others elect another leader.
//
// # State and locks
//
// raft owns its goroutines from Open to Close. Run owns the guard, the turns of
// leadership, the writer of entries, the pulse and the watchdog. leadership.mu guards
// whether this manager leads and whom to tell; the queue's mutex the proposals
// on their way; the machine's the time and failure of the last applied entry;
// the gate's who answered when. One change of members is made at a time. No
// lock is held while raft is asked for anything.
package consensus
