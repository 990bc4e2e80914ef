// Package agent is what a node does all day: it keeps the tasks that a manager
// assigned to it in the state that the manager wants, and reports what it sees.
//
// It serves one node and calls one manager at a time, the leader. It decides
// nothing about where or how often something runs, it touches nothing in the
// executor that is not a task of this cluster, and it stops nothing because a
// manager cannot be reached.
//
// # Flows
//
//	manager --session--> crew: one driver for each live task
//	manager --Content--> driver --> runtime/secrets: before Prepare, unless they are there
//	manager --RegistryLogin--> driver --> executor: if the registry of an image asks
//	manager --NeededImages--> Collect: every few minutes, what else is here may go
//	driver: task.Step -> action -> executor -> event -> task.Step
//	driver --> memory (disk, written behind)
//	driver --> outbox (latest state of each task) --session--> manager
//
// While a task's process is waited for, its driver checks its health whenever
// task.Step says so, in turn with the node's other tasks.
//
// The managers see to it that a task starts when the one before has ended. Of one that
// they have given up, and of what was another node's on this machine, they do not
// know when it ends here: what has host ports or writes to a volume waits for that, if
// the other had its slot, or is known to no manager and of the same service. What no
// manager knows is stopped, with the usual grace, and removed.
//
// A session is a connection to one manager that carries heartbeats, what the manager
// wants, and reports; what else is asked of that manager, and the logs and commands
// that people ask for, have connections beside it, which end with it. When one of the
// first three fails, the session ends and the next one begins, after a pause that
// doubles from 100 ms to 8 s, is drawn at random, and is short again after a session
// that lasted: a manager that gives sessions and can write nothing is not stormed. A
// new session gets the whole set of tasks and reports the state of every task again:
// the manager drops what it knows.
//
// # Which manager
//
// Only the leader keeps sessions; every manager tells who leads and where the
// others are, which the agent remembers on disk. It asks the leader that it was
// told of last, by the manager in its own process if there is one, unless that
// one was of no use within the last pause; else the manager that was asked in
// vain the longest ago, or never. One that does not lead and names the leader is
// left for that one without a pause, a few times: managers that name each other
// are not asked in circles.
//
// A node that was removed from the cluster stops nothing: it says so once and
// asks slowly whether it belongs again. Its tasks are its operator's until the
// node leaves. Leaving is an empty set of tasks that no manager sent: each is
// stopped and removed as if the cluster had forgotten it.
//
// # State, locks, goroutines
//
// The crew's mutex guards which tasks there are, a driver's what its task is. The
// outbox and the memory have a mutex of their own. A task has a goroutine while
// something is done for it, and none while it only waits for a wish. No mutex is
// held across a call of the executor, the disk or the manager. Run owns every
// goroutine and returns after the last one has ended. Nothing is stopped in the
// executor when Run ends.
//
// # What is on disk, and why it costs a start nothing
//
// The executor is the truth about what runs; the memory adds what it cannot
// know: what the managers want, how far a task had got, and how it ended after
// it was removed. So almost nothing has to be on disk before the agent acts. A
// row that was lost with the daemon is found again by the executor's List or in
// the next full set of a manager, and a life that comes from disk looks before
// it acts (task.Life.Lost). Writes are therefore made behind, in batches, and
// only one step waits for them: a task's remains are removed once its end is on
// disk, or its exit code could be lost with them. A memory that is damaged is set
// aside and begun anew.
//
// What a secret or config holds is never on disk: the row has its version only.
// It is asked for when a task is prepared, and taken away after the task's remains.
//
// # After a restart
//
// Every task on disk gets its driver back, fed with what List says of it: what
// runs is taken over, what ended meanwhile is reported with its real exit code,
// what is gone has failed. What List has and the disk has not is left alone
// until a manager's full set names it, and then taken over, or does not, and
// then removed.
package agent
