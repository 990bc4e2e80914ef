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
//	 |                | Checked.Commit (Raft)
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
// # State and locks
//
// A receive holds one of maxReceives slots from its pack to its commit, and
// none while it streams the rollout, so a fix can be pushed meanwhile.
// Housekeeping takes all slots, so it never runs during a receive. After the
// commit has begun nothing that the client does matters: it runs under a
// context without the request's cancellation.
//
// A `git cat-file --batch` child answers all reads of stored objects, one at a
// time; each receive starts another that sees its quarantine. go-git was decided
// against: it ignores quarantine, and one repository of it is not safe for
// concurrent use.
package git
