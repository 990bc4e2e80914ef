// Package reconciler is what a manager does: it takes and gives up leadership,
// and while it leads runs the loops that turn what Git wants into what nodes do.
//
// # The way of a push
//
// git receives the commit and asks three things of the manager. Check loads the
// tree, plans it and may refuse it. Commit has a majority of the managers store
// the objects, then proposes one transaction that moves the ref, writes the
// revision and switches the services; that transaction is the promise. Follow
// tells what becomes of it. Nothing is locked between the three: another push
// can overtake at any point, and Commit then looks again.
//
// # The loop
//
// One goroutine waits for changed rows or for a time, takes a snapshot, calls
// converge.Pass over what is dirty and proposes the answer. Everything it knows
// it reads from the store, so that the next leader just goes on.
//
// # Goroutines
//
// Run owns them all: Raft, the loop, the dispatcher's, Git's housekeeping, and
// what gets the objects that the repository lacks. They end before Run returns.
// What only a leader does lives in a term, whose context ends with its
// leadership.
package reconciler
