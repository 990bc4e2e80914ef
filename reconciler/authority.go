package reconciler

import (
	"context"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/specs"
)

// newAuthority is the cluster's certificate authority, which signs while this
// manager leads.
func (m *Manager) newAuthority() *ca.Server {
	return ca.New(ca.Config{
		Store: m.store, Propose: m.Propose, Now: m.raft.Now, Log: m.log, Tell: m.renewals.tell,
		Show: m.cfg.Credentials.Show,
		Votes: func(nodeID string) bool {
			return slices.ContainsFunc(m.members(), func(member consensus.Member) bool { return member.ID == nodeID })
		},
		Leader: func() string {
			_, addr := m.raft.Leader()
			return addr
		},
	})
}

// authority is the certificate authority as people ask for it.
type authority struct {
	*ca.Server
	m *Manager
}

var _ api.Authority = authority{}

func (a authority) Token(ctx context.Context, role specs.Role, rotate bool) (specs.JoinToken, error) {
	if rotate {
		return a.RotateJoinToken(ctx, role)
	}
	return a.JoinToken(role)
}

func (a authority) Rotate(ctx context.Context, req api.RotateCARequest) error {
	if req.Abort {
		return a.Abort(ctx)
	}
	return a.Server.Rotate(ctx, ca.Options{CertPEM: req.Cert, KeyPEM: string(req.Key), External: req.External})
}

func (authority) CertExpiry(row specs.Authority, d time.Duration) (specs.Change, error) {
	return ca.CertExpiry(row, d)
}

func (a authority) Watch(ctx context.Context, send func(api.CAProgress) error) error {
	return a.Server.Watch(ctx, func(p ca.Progress) error {
		return send(api.CAProgress{Text: p.String(), Nodes: p.Nodes, Renewed: p.Renewed, Waiting: p.Waiting, Done: p.Done()})
	})
}

func (a authority) Addrs() []string {
	var others []string
	for _, member := range a.m.members() {
		if member.Voter && member.ID != a.m.cfg.NodeID && a.m.raft.Reachable(member.ID) {
			others = append(others, member.Address)
		}
	}
	slices.Sort(others)
	return append([]string{a.m.address()}, others...)
}
