package reconciler

import (
	"sync"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// renewals is which nodes are to renew their certificates. It joins the
// authority, which says so, to the sessions, which tell them. What was said in an
// earlier term, or before a rotation was aborted, is still there, and counts for
// nothing: a node that is told of a certificate which it does not get would renew
// without end, because it is told again after each renewal.
type renewals struct {
	store   *store.Store
	changed bell.Bell
	mu      sync.Mutex
	issuer  map[string]specs.Hash // by node: what its certificate is to be signed with
}

func newRenewals(s *store.Store) *renewals {
	return &renewals{store: s, issuer: map[string]specs.Hash{}}
}

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
	told, changed := r.issuer[nodeID], r.changed.Next()
	r.mu.Unlock()
	if told == "" || told != r.store.Snapshot().Authority().Issuer() {
		return "", changed
	}
	return string(told), changed
}
