// Package git answers: which commits does the cluster have, and may this push
// become one of them? It keeps the cluster's own remote, a bare repository in
// the data directory, serves it over smart HTTP under [Path], and reads any
// stored commit without a checkout. It is for the manager, which says through
// [Cluster] what a push means.
//
// It refuses to be the truth. The rows of the store are: the repository's refs
// are a cache of them ([Repository.Sync]), the advertisement is made of them,
// and a push is answered with what became of them. It also refuses to know what
// is in a commit; that is schema's and planner's to say.
//
// # A push
//
// The server ends the protocol: it advertises, reads the commands, answers with
// side-band text and the report. `git receive-pack` in the middle does what Git
// does best: index the pack in quarantine, check the objects, move the local
// ref. It is asked for a bare report, so nothing of its text reaches people
// unseen.
//
//	client            server                      git receive-pack
//	 |-- commands --->| refused in words? answer
//	 |-- pack ------->|------------------------->  index-pack in quarantine
//	 |                | <-- pre-receive ---------
//	 |<- plan --------| Cluster.Check
//	 |                | -- verdict ------------->  drop or migrate quarantine
//	 |                | <-- proc-receive --------
//	 |                | Checked.Commit (a majority has the objects, then Raft)
//	 |<- committed ---| -- ok, fall-through ---->  move the local ref, report
//	 |                | the receive ends here, its slot is free
//	 |<- progress ----| Checked.Follow
//	 |<- report ------|
//
// The hooks are shell scripts of builtins only. They speak with the server over
// two pipes that receive-pack inherits from it and they from receive-pack, so
// there is no socket to guard and no nonce to check: who has the pipe is the
// hook. A hook of our own binary would cost 10 ms of CPU twice per push.
//
// proc-receive answers `option fall-through`: receive-pack itself then moves
// the local ref, in its own process, after the cluster moved the row. If that
// fails the row still decides: the answer is ok and the ref is set right by
// Sync.
//
// # Several managers
//
// Objects are not in Raft: a push would go through its log, its snapshots and
// every manager's memory. Instead a row moves only once a majority, this manager
// among it, has the objects on disk ([Repository.Replicate]). The pack is thin,
// against the rows' commits; a manager that lacks those says what it has, and is
// sent a pack that builds on that. Taking one in ([Repository.Unpack]) is a push
// without a client: a quarantine, git's checks of every object, a look that
// nothing is missing, fsync, and only then the move to the other objects.
//
//	leader                                   each other manager
//	 |-- StorePack: commit, have ------------>| here already? stored
//	 |                                        | have is not here? says its tips
//	 |-- the pack, in parts ----------------->| index-pack, rev-list, fsync, keep
//	 |<-- stored -----------------------------|
//	 a majority: Raft moves the row; none in replicateLimit: refused, nothing moved
//
// Between the two no ref reaches the commit, so one under refs/swarmgit/incoming
// keeps it from housekeeping. Clients do not see it; Sync drops it when a row
// names its commit, or after keepIncoming.
//
// A manager that was away finds by Sync what it lacks, and Complete fetches it
// from whoever has it. A repository that is gone or damaged is the same case:
// it is made anew, what can be read of the damaged one is taken over, and the
// rest comes from the others. Until then [Repository.Missing] says what is not
// here, and no Git is served: half a history would be taken for the whole.
//
// Where nobody has a commit, its row still stands: the cluster runs what it
// says. Its ref is then hidden from who pushes, so that git sends all it has; a
// push may bring the commit back as it was or with others on top of it, and
// nothing else may take its place.
//
// # State and locks
//
// A receive holds one of maxReceives slots from its pack to its commit, and
// none while it streams the rollout, so a fix can be pushed meanwhile. Nobody holds
// one by sending nothing, or next to nothing (meter). A push whose request ends for a
// reason, its token's end, is read on without git: its client hears the reason only
// once it has sent all.
// Housekeeping takes all slots, so it never runs during a receive, nor between
// the look at a pack from another manager and the ref that keeps it. After the
// commit has begun nothing that the client does matters: it runs under a
// context without the request's cancellation.
//
// A `git cat-file --batch` child answers all reads of stored objects, one at a
// time; each receive starts another that sees its quarantine. go-git was decided
// against: it ignores quarantine, and one repository of it is not safe for
// concurrent use.
package git
