// Package scheduler answers one question for converge and for the planner's
// simulation of it: on which nodes do the next tasks of a service go, and if on
// none, why not. It decides nothing else: it creates no task, evicts none,
// packs no bins and knows neither priorities nor affinity between services.
//
// # The rule
//
// A node is suitable when it is ready and active, runs the task's runtime,
// meets every constraint, has the reserved memory and CPUs and the task's host
// ports free, and has fewer tasks of the service than max_replicas_per_node. Of the suitable nodes the
// next task goes to the one that is first in this order:
//
//  1. fewer than [FaultyAfter] failures of this service and spec within
//     [FaultyFor];
//  2. fewest tasks of the service in the node's branch, for each spread
//     preference from the outermost;
//  3. fewest tasks of the service on the node;
//  4. fewest tasks of all services on the node;
//  5. the smaller node ID.
//
// A task of a global service has its node already and waits until that one is
// suitable, see [State.PlaceOn].
//
// A task counts on its node while it is wanted and has not ended. It occupies
// what it reserves and its host ports until it has ended, wanted or not: in a
// stop-first rollout a task on the same node waits for the end of the one before
// it. What others than tasks of the cluster use of a node is not known here.
//
// # How it is fast
//
// [State] is updated row by row as the store changes. Nodes have dense indexes
// in the order of their IDs, with arrays of what is free, and level bitsets: for
// each number of tasks the set of nodes that have it. A list of constraints is
// evaluated once for each class of nodes with equal attributes and kept as a
// bitset. Placing many tasks is a merge of two sorted streams, see [queue]:
// nodes not used yet, by walking the levels, and nodes used a moment ago, which
// come back in the order in which they were taken. It is exact: the result is
// that of choosing node after node by the rule, and the tests compare it with
// that.
//
// A group, which is one eligibility, reservation and list of ports, that found no room
// keeps the answer until something is freed on one of its nodes or a node
// changes, so that a full cluster refuses at once. Such an answer stays true
// but may blame memory where by now CPUs are missing too.
//
// # State and ownership
//
// A State belongs to one goroutine. [State.Clone] gives another goroutine its
// own; the two share per-service counts until one of them writes. Placing fills
// caches but changes no answer.
package scheduler
