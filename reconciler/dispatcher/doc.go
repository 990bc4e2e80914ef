// Package dispatcher is the managers' side of the sessions with the nodes: it
// hears who is there, tells each node its tasks, and writes down what the nodes
// see of them.
//
// It serves while this manager leads ([Dispatcher.Run] is one term); at other
// times it refuses every call as NotLeader. It refuses nodes that the cluster
// does not know, nodes that come too often, calls outside of a session, and
// reports about another node's tasks. It decides nothing about services.
//
// # Flows
//
//	Session, Heartbeat  -> presence: a deadline for each node, READY <-> DOWN
//	store.Feed -> route -> stream of the node -> Assigned
//	Report -> inbox -> commit: one transaction for each task -> acknowledged
//	Logs -> LogRequests of the node ... PublishLogs of the node -> Logs
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
// meanwhile. The term's mutex guards its maps; a stream, the inbox and a
// session's mailbox have their own. None is held across a proposal or a send.
//
// # Decisions
//
// An assignment stream compares the store with what it has sent, it does not
// translate changes: a change that it is told of twice, or that came with a
// restore, sends nothing or the right thing. What is sent depends on desired
// states only, so that a node's own reports come not back to it.
//
// Each report is a transaction of its own, so that a task that is forgotten
// meanwhile refuses no other. A status that is behind the known one is dropped:
// a task's state never moves back.
package dispatcher
