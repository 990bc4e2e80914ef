package reconciler

import (
	"sync"

	"github.com/swarmgit/swarmgit/specs"
)

// renewals is which nodes are to renew their certificates. It joins the
// authority, which says so, to the sessions, which tell them.
type renewals struct {
	mu      sync.Mutex
	issuer  map[string]specs.Hash // by node: what its certificate is to be signed with
	changed chan struct{}         // closed when issuer changes
}

func newRenewals() *renewals {
	return &renewals{issuer: map[string]specs.Hash{}, changed: make(chan struct{})}
}

func (r *renewals) tell(nodeID string, issuer specs.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.issuer[nodeID] = issuer
	close(r.changed)
	r.changed = make(chan struct{})
}

// of is what a node is to be told, and a channel that closes when that may be
// something else.
func (r *renewals) of(nodeID string) (issuer string, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.issuer[nodeID]), r.changed
}
