// Package containerd answers how a node runs tasks as containers: it is the
// executor over a containerd, and the keeper of a private one. It serves the
// agent (through package executor), `image load|ls` and the daemon; it refuses
// to decide anything, and touches no container that it did not make.
//
// # Two halves
//
// [Engine] is the executor. It speaks to any containerd from 1.6 to 2.x and uses
// only the services that all of them have. [Managed] keeps a private containerd
// with its own root, state and socket, alive for as long as the daemon lives and
// running after that.
//
// # The life of a task
//
// Prepare finds the image (pulling it only when it is not here, one pull per
// name at a time, and not for longer than registrySilence from a registry that
// does not go on), then makes, in this order, the container's record, the
// snapshot, the log pipes and runc's created process. The record comes first
// and is removed last: it keeps the snapshot from the garbage collector, and
// whatever a crash leaves half made is listed by it. Start is then one call.
//
// Wait asks for the exit, which the shim keeps until the task is removed, so
// that no end is missed however late somebody asks: before or after the start,
// after a restart of the daemon or of containerd. Whether the memory limit was
// the cause is read from the task's cgroup, which lives as long. Wait returns
// when the log keeper has all that the task wrote.
//
// Watch hears containerd's events and looks at what they name, never at what they
// say: a container that was paused, whose record was changed or deleted, or whose
// snapshot is gone ends its Wait with words about that. Limits it compares with
// those at the start, since containerd tells of no update. It looks at everything
// whenever it begins to hear, and it knows that it hears by an event of its own. A
// container without our label that nobody waits for is let alone. What it finds
// for a task that nobody waits for yet is kept for its Wait.
//
// Such a task is stopped as one that is unhealthy, and replaced; a paused one too,
// which is resumed for its stop signal only: whoever paused it finds in its story
// what became of it, and it answers no check while it is frozen. A process whose
// record was deleted gets one again, or containerd would not stop it for us. A
// label of others on our container is no change.
//
// A shim that hangs, or is slow on a busy machine, containerd leaves out of its list,
// or says that the state is unknown. That is no end and no stop: List calls the task
// mute, and everything else is a temporary error. So is what containerd itself does
// not answer within answerLimit, but for calls that last.
//
// Exec runs a command in a container through pipes of its own, which lie in
// Config.Dir/exec under the names of task and command: the next Open ends what a
// killed daemon left running there.
//
// Remove kills, and takes away process, shim, snapshot, cgroup, files and
// record, also what containerd has lost of a creation that a killed daemon
// abandoned: a shim that it does not know, and a private one's directory of the
// task. The log stays: it is the agent's to remove. A cgroup that does not
// become empty, an engine or a log keeper that is away, and a disk without room for
// what Prepare makes, are temporary errors: they never reject a task.
//
// # State and locks
//
// What a task is lies in containerd alone. Engine remembers only images that it
// has unpacked, under one mutex that is never held across a call; a remembered
// image whose layers are gone is unpacked again. Our few files lie in
// Config.Dir; mounts made for a moment lie in Config.Dir/mnt and are cleared at
// the next Open after a crash.
//
// # Decisions
//
//   - We call containerd's services and not the client's Container and Task:
//     those look the same record up several times in one start.
//   - Limits are written through cgroup paths, never through systemd, which may
//     not be there.
//   - The private containerd is found again by its command line, which names our
//     configuration file, and by the session that it leads: while it starts a
//     shim, the child has its command line too. It is held by a pidfd: no file to
//     go stale, no process ID to be used again. Its socket lies in /run/swarmgit/<hash of the data
//     directory>, because a socket's path is short and a data directory's may
//     not be.
//   - Tasks share the host's network until they have networks of their own.
//   - init: true uses the machine's tini or docker-init. Without one the task is
//     refused in words, not run without.
package containerd
