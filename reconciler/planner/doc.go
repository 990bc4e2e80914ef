// Package planner answers what applying a revision would change and do, before
// anything is done. Git asks it on every push, the api for `swarmgit plan`.
//
// It has two halves that share one decision:
//
//   - [Changes] compares the wanted stacks of a source with the cluster's
//     memory and returns the changes that make the one the other. A push
//     proposes them together with its ref and its revision as ONE transaction.
//   - [Propose] applies the same changes to a copy of the memory, steps the
//     cluster's own converge pass over it with a worker that is always healthy,
//     until nothing is left to do, and tells what happened: the [Plan]. Only
//     what failed in a rollout that stays paused does not start.
//
// A plan is written as text for a terminal, as Markdown for a pull request, and as
// JSON, of which [Plan.Keep] is a bounded form. [Compare] is the part of a plan that
// needs no cluster: what two trees ask for otherwise.
//
// Nothing here knows how a rollout goes or where a task fits. What the plan says
// is what converge does, because it is converge that does it.
//
// # What is exact
//
// Every count is about slots, the places that a service's tasks fill, and
// compares the memory before with the memory at the end. In a global service the
// slots are nodes. A task runs when its node last said so.
//
//	start      no task of the slot ran, one runs at the end
//	restart    a task of the slot ran, another one runs at the end
//	stop       a task of the slot ran, none runs at the end
//	untouched  a task of the slot ran and is the one that runs at the end
//	pending    the slot is wanted at the end and its task has no node
//
// So a slot counts once among the first four. A pending slot is never a start; if
// its task ran before and had to go, it is a stop and pending. The whole cluster
// is counted: a rollout under way when the plan is made is part of what happens.
//
// The counts hold under any timing of the workers, with one exception: where
// services compete for the last room of the nodes, the rollout that is faster
// takes it, and the plan shows one outcome of the possible ones.
//
// Placement, order and times are expected, not promised: they hold under the
// plan's own latencies. See the constants in worker.go.
//
// # What it refuses
//
// A stack that belongs to another source, a service name that is taken, a
// removal too large to be meant (guard.go), and keys that are not built yet,
// unless the push accepts the last two. It never refuses for what the cluster
// cannot place: that is pending, with the reason.
//
// Values of environment variables whose names tell a secret, and user info in
// URLs, leave this package only as short keyed hashes (redact.go). A plan of what a
// viewer wrote does not even depend on them (withhold.go).
//
// Not built yet: the volumes that stay after a removal.
package planner
