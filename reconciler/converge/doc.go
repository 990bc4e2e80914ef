// Package converge makes the cluster one step more like what is wanted: one
// pass over what is dirty, as a function from a snapshot to transactions. The
// manager's loop calls it and proposes the answer; the planner steps the same
// function on a hypothetical snapshot, which is why a plan tells the truth.
//
// It refuses to know where a snapshot comes from, who proposes, and what time
// it is. It starts nothing and waits for nothing.
//
// # One pass
//
// Services are looked at in the order of their names. For each one, see
// work.step: begin a rollout if the spec changed; note tasks that ended; move
// tasks off nodes that cannot keep them; add or take away slots; let the rollout
// replace some; bring dead ones back; let waiting ones start; place what has no
// node; forget history. The steps change rows in memory, and what differs at
// the end becomes transactions: a task is usually committed assigned at once.
// Last, revisions are judged by the services of their stacks.
//
// # Who decides
//
//	which slots there are              orchestrator
//	which slots get a new spec         rollout
//	whether a dead task comes back     restart
//	which node                         scheduler
//	everything else about a task       here
//
// # The life of a task's desired state
//
// A task is made with desired READY while something has to pass before it may
// start: the end of another task of its slot, or a restart delay. Its node
// prepares it meanwhile. It becomes RUNNING when no other task of the slot can
// run any more, or that task had its time to stop. A task becomes SHUTDOWN with
// a reason when it is told to stop, and without one when it ended by itself:
// that is how the restart policy and the rollout tell the two apart. REMOVE is
// for tasks whose slot or service goes: they leave no history.
//
// # Global services
//
// Their slots are nodes: every step treats a slot alike, whether a number or a
// node names it. What differs is who has one. A node takes a task when it is
// ready and active, has the runtime and meets the constraints. It keeps the one
// that it has while it is paused, down or not heard of, and loses it when it is
// drained, removed or does not meet a constraint any more. A slot whose
// node takes no task is not filled, and no rollout waits for it: what it missed
// it catches up with when its node takes tasks again.
//
// # Lost nodes
//
// Tasks of a node that is down are told to stop and replaced at once; when the
// node is back it stops them and no others. Three kinds are not told: those of
// global services and those that the restart policy would not replace, because
// nothing runs in their place, and for a minute those of an [Outage], in which many
// nodes went down together. A task that is kept does not count as running
// meanwhile, and in a global service it is not missed either.
//
// # Nothing in memory
//
// Whatever has to happen later follows from times in the store, and the pass
// says when it wants to look again. A new leader starts with everything dirty.
//
// Its clock may be far ahead of those times, if all managers were down or if it is
// wrong: then what waits for a moment goes on at once. But a time that somebody
// gets to do something counts from when this leader began, or has heard of the
// node: a task's to stop, a rollout's to get further, a lost node's to come back.
package converge
