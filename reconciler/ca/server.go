package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Config is what a server needs.
type Config struct {
	Store  *store.Store
	Now    func() time.Time
	Show   Show                 // this manager's certificate
	Leader func() (addr string) // of the leader's node port, "" while nobody is known to lead
	Log    *slog.Logger

	// Propose writes one transaction through Raft. Its errors are words for who asked;
	// one that wraps store.ErrConflict says that it was overtaken, and after any other
	// it may have been written.
	Propose func(ctx context.Context, tx specs.Transaction) error

	// Votes tells whether a node is one of the managers by their own agreement. It
	// stays one, whatever its row says, until the others can do without its vote.
	// Nil: no node is.
	Votes func(nodeID string) bool

	// Tell has a node renew its certificate: if it is not signed with issuer by
	// the time the node hears of it. A node that is not connected is told when it
	// connects. It must not block.
	Tell func(nodeID string, issuer specs.Hash)
}

// Server signs certificates while this manager leads.
type Server struct {
	Config
	leads    atomic.Bool
	refusals refusals
}

// New returns a server that does not lead.
func New(c Config) *Server { return &Server{Config: c} }

// Register serves what nodes, and machines that want to be some, ask.
func (s *Server) Register(mux *http.ServeMux) {
	wire.Certify.Serve(mux, s.certify)
	wire.Standing.Serve(mux, s.standing)
}

// standing tells a node whether it was removed. That a node is not known says so
// only where everything is known: on the leader.
func (s *Server) standing(_ context.Context, req wire.StandingRequest) (wire.StandingReply, error) {
	snap := s.Store.Snapshot()
	_, known := snap.Node(req.NodeID)
	_, removed := snap.Authority().Removed[req.NodeID]
	return wire.StandingReply{Leader: s.Leader(), Removed: removed || !known && s.leads.Load()}, nil
}

// certify answers one request. A manager that does not lead names the one that
// does, so that a machine can join at any manager.
func (s *Server) certify(ctx context.Context, req wire.CertifyRequest) (wire.CertifyReply, error) {
	if !s.leads.Load() {
		return s.elsewhere()
	}
	return s.answer(ctx, req)
}

// elsewhere sends a caller to the leader.
func (s *Server) elsewhere() (wire.CertifyReply, error) {
	if addr := s.Leader(); addr != "" {
		return wire.CertifyReply{Leader: addr}, nil
	}
	return wire.CertifyReply{}, wire.Errorf(wire.Unavailable, "no manager leads the cluster at the moment: ask again")
}

// answer finds out who asks, and gives that node its certificate.
func (s *Server) answer(ctx context.Context, req wire.CertifyRequest) (wire.CertifyReply, error) {
	request, err := readRequest(req.CSR)
	if err != nil {
		return wire.CertifyReply{}, err
	}
	peer, known := wire.Peer(ctx)
	var node specs.Node
	switch {
	case req.NodeID != "":
		node, err = s.readmit(ctx, req, request)
	case req.Secret != "":
		node, err = s.join(ctx, req, request)
	case known:
		node, err = s.member(peer.NodeID)
	default:
		err = wire.Errorf(wire.Unauthenticated, `a machine joins with a token: get one with "swarmgit join-token worker" on a manager`)
	}
	if err != nil {
		return wire.CertifyReply{}, err
	}
	snap := s.Store.Snapshot() // only now: a rotation may have begun while the row was written
	id := wire.Identity{NodeID: node.ID, Role: s.role(node), ClusterID: snap.Cluster().ID}
	reply, err := Issue(ctx, snap.Authority(), req.CSR, id, s.Now(), s.Show)
	if err != nil {
		s.Log.WarnContext(ctx, "a certificate was not issued", "node", node.ID, "err", err)
		return wire.CertifyReply{}, err
	}
	if err := s.noteLongest(ctx, reply); err != nil {
		return wire.CertifyReply{}, err
	}
	s.Log.InfoContext(ctx, "issued a certificate", "node", node.ID, "role", id.Role, "to", wire.CallerAddr(ctx))
	return reply, nil
}

// role is what the node's row says, but a node that votes is a manager: one with
// the certificate of a worker forgets all that it knows as a manager, and the others
// may not have a majority without it.
func (s *Server) role(node specs.Node) specs.Role {
	if s.Votes != nil && s.Votes(node.ID) {
		return specs.Manager
	}
	return node.Spec.Role
}

// noteLongest remembers how long certificates last that an external authority makes
// longer than it was asked to: a node that is removed is refused as long. It is
// written before the node has its certificate, and rounded, so seldom.
func (s *Server) noteLongest(ctx context.Context, reply wire.CertifyReply) error {
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil {
		return err // not possible: it was checked
	}
	lasts, a := leaf.NotAfter.Sub(s.Now()), s.Store.Snapshot().Authority()
	if lasts <= max(a.Lifetime(), time.Duration(a.Longest)) {
		return nil
	}
	a.Longest = specs.Duration(lasts.Truncate(longestStep) + longestStep)
	return s.write(ctx, specs.Change{Authority: &a})
}

// longestStep is what the lifetime of the longest certificate is rounded up to.
const longestStep = time.Hour

// Refuse says why a node is not let in although its certificate is good: it was
// removed. Every manager knows, whoever leads. It is for wire.Credentials.
func (s *Server) Refuse(id wire.Identity) error {
	if _, removed := s.Store.Snapshot().Authority().Removed[id.NodeID]; removed {
		return fmt.Errorf("node %s was removed from the cluster", id.NodeID)
	}
	return nil
}

// member is the row of a node that may have a certificate.
func (s *Server) member(nodeID string) (specs.Node, error) {
	snap := s.Store.Snapshot()
	node, ok := snap.Node(nodeID)
	if _, removed := snap.Authority().Removed[nodeID]; removed || !ok {
		return specs.Node{}, wire.Errorf(wire.PermissionDenied,
			`node %s is not part of this cluster (any more): join it as a new one, with "swarmgit join-token worker"`, nodeID)
	}
	return node, nil
}
