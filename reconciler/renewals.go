package reconciler

import (
	"sync"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// renewals is which nodes are to renew their certificates. It joins the
// authority, which says so, to the sessions, which tell them.
type renewals struct {
	changed bell.Bell
	mu      sync.Mutex
	issuer  map[string]specs.Hash // by node: what its certificate is to be signed with
}

func newRenewals() *renewals { return &renewals{issuer: map[string]specs.Hash{}} }

func (r *renewals) tell(nodeID string, issuer specs.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.issuer[nodeID] = issuer
	r.changed.Ring()
}

// of is what a node is to be told, and a channel that closes when that may be
// something else.
func (r *renewals) of(nodeID string) (issuer string, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.issuer[nodeID]), r.changed.Next()
}
