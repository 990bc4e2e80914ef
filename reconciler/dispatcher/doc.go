// Package dispatcher is the managers' side of the sessions with the nodes: it
// hears who is there, tells each node its tasks, and writes down what the nodes
// see of them.
//
// It serves while this manager leads ([Dispatcher.Run] is one term); at other
// times it tells a node where the leader is, and refuses every other call as
// NotLeader. It refuses nodes that the cluster does not know, nodes that come too
// often, calls outside of a session, calls in another node's session, reports about another
// node's tasks, and secrets, configs and registry logins that no task of the node
// needs. Who calls is known by the certificate alone. It decides nothing about
// services.
//
// # Flows
//
//	session: Open, Heartbeat -> attend -> presence: a deadline for each node, READY <-> DOWN
//	managers, the node's role, the root to renew from -> tell -> session
//	store.Feed -> route -> stream of the node -> tell -> session
//	session: Report -> attend -> inbox -> commit: one transaction for each task -> tell -> session
//	Content: a secret or config, to the node of a task that refers to it
//	RegistryLogin: what opens the registry of a task's image, to the task's node
//	NeededImages: what a node may not collect
//	Logs -> tell -> session ... PublishLogs of the node -> Logs
//	Exec -> tell -> session ... Exec of the node -> Exec
//
// Nothing waits on an idle way: the first change to a node's tasks and the first
// report are passed on at once, what comes while they are on their way goes
// together.
//
// # State and locks
//
// Everything that is not in the store belongs to a term and goes with it:
// sessions, deadlines, streams, reports that are not committed. A deadline is
// never in the store; a node that was ready when the term began and has not been
// heard of since is unknown, has twice the usual time, and loses nothing
// meanwhile. A deadline follows from the heartbeat period that the node was told
// last, whatever the cluster's settings say by then. The term's mutex guards its maps; a stream, the inbox and a
// session's mailbox have their own. None is held across a proposal or a send.
//
// # Decisions
//
// A session compares the store with what it has told of tasks, it does not
// translate changes: a change that it is told of twice, or that came with a
// restore, sends nothing or the right thing. What is sent depends on desired
// states only, so that a node's own reports come not back to it.
//
// A manager that is demoted hears of it once it is none of the managers any more:
// it closes then, and closed before it would count as lost when the others have
// to agree on its removal.
//
// Each report is a transaction of its own, so that a task that is forgotten
// meanwhile refuses no other. A status that is behind the known one is dropped:
// a task's state never moves back.
//
// A node that comes while nobody leads is kept waiting for the election, up to
// leaderPatience: nodes that tried again and again would take longer to find the
// leader, and ask more often. A change of leaders writes nothing: nodes that are
// READY and as they were have nothing to say of themselves, and their tasks
// neither. The limit of openings counts sessions that stood; a leader that cannot
// write yet fails many, and is asked again.
package dispatcher
