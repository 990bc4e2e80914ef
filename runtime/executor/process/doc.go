// Package process answers how a node runs tasks as plain processes: it is the
// executor for services with runtime: process. It serves the agent (through
// package executor); it works for any user and needs nothing installed. It
// isolates nothing: a task sees the machine as its user does.
//
// # The processes of a task
//
//	daemon ... supervisor (own session) - the task's process (own session) - its own
//
// The supervisor is one small process a task, this program again ([Main]). It
// outlives the daemon, is the parent of the task's process and therefore the one
// who learns how that ends, and the subreaper of all that the task starts,
// therefore nothing escapes it: when the task's process has ended, whatever is
// left of the task is killed, as in a container. Only then is the end written
// down. The process that it starts is this program once more: it takes the
// task's limits, cgroups and user, in this order, and becomes the task's program.
//
// # On disk
//
//	DIR/<task>/program.json   what to run; it is there when the task is prepared
//	DIR/<task>/record         who supervises, what runs, how it ended
//
// The record's blocks are taken when a task is prepared and each part is written
// once, in place, so that an exit status is known on a full disk too. The
// supervisor takes the record with a lock before anything else: a second one,
// which a daemon that was killed in the middle may start, finds it taken.
//
// Processes are found again by number and start time, within one boot of the
// machine; a task of an earlier boot is half made. Signals go by pidfd.
//
// # Failures
//
//   - The daemon is killed: nothing happens to tasks.
//   - The supervisor is killed: the kernel kills the task's process with it. The
//     exit status is not known, and the task fails in these words. What else the
//     task had started is killed when the task is removed: what is in its session,
//     in its cgroup, or carries SWARMGIT_TASK_ID in its environment.
//   - The attendant of a command is killed: the kernel kills the command with it;
//     what that had started ends with the task, by cgroup or marker.
//   - The supervisor hangs: it is killed after killPatience, and as above.
//   - The machine boots: processes are gone without an exit status.
//   - The disk is full, or the log keeper is away: a task cannot be prepared until
//     there is room, or a keeper, which is a temporary error.
//
// # Decisions
//
//   - A task gets nothing of the daemon's environment.
//   - Its secrets and configs are where the agent has put them: a mount at
//     /run/secrets would need rights and a mount namespace, in which the task would
//     not see the machine any more as its user does. They become its user's, with
//     their directory, so that the way to them is nobody else's.
//   - Limits need cgroups: root has them, others where a cgroup of version 2 was
//     delegated to them. A limit that cannot be enforced is named in the task's
//     log, in the daemon's and in the node's description, and the task runs.
//   - For a daemon that is not root no_new_privs is set: a program with set-user-ID
//     would make processes that nobody here could end.
//   - One supervisor a task costs a few megabytes; one for all would take all tasks
//     with it, and could not tell whose an orphan is.
package process
