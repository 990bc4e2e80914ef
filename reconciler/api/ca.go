package api

import (
	"context"
	"path"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// The procedures of the certificate authority. Who may use them is master of the
// cluster, so they answer over a daemon's own socket only: [Guard] refuses them.
const (
	GetJoinToken  = wire.Unary[JoinTokenRequest, JoinTokenReply]("/swarmgit.api/GetJoinToken")
	ReadmitNode   = wire.Unary[ByName, JoinTokenReply]("/swarmgit.api/ReadmitNode")
	RotateCA      = wire.Unary[RotateCARequest, Empty]("/swarmgit.api/RotateCA")
	WatchCA       = wire.ServerStream[Empty, CAProgress]("/swarmgit.api/WatchCA")
	UpdateCluster = wire.Unary[UpdateClusterRequest, Empty]("/swarmgit.api/UpdateCluster")
)

// socketOnly are the paths that only the owner of a daemon may call.
var socketOnly = map[string]bool{
	string(GetJoinToken): true, string(ReadmitNode): true, string(RotateCA): true, string(WatchCA): true,
	string(UpdateCluster): true, string(GitURL): true,
	string(CreateToken): true, string(ListTokens): true, string(RemoveToken): true,
	string(AddSource): true, string(UpdateSource): true, string(RemoveSource): true, string(GetWebhook): true,
}

// isSocketOnly also knows a path that is written in another way.
func isSocketOnly(p string) bool { return socketOnly[path.Clean("/"+p)] }

// JoinTokenRequest asks for the token that makes machines nodes of a role.
type JoinTokenRequest struct {
	Role   specs.Role `json:"role"`
	Rotate bool       `json:"rotate,omitempty"` // a new one; the old one is not valid any more
}

// JoinTokenReply is a token, and where it is good.
type JoinTokenReply struct {
	Token string `json:"token"`
	Addr  string `json:"addr"` // of a manager's node port

	Others []string `json:"others,omitempty"` // addresses of the other managers that can be reached now
}

// RotateCARequest leads the cluster to another root certificate. An empty one
// leads to a new one of the cluster's own.
type RotateCARequest struct {
	Cert     string       `json:"cert,omitempty"` // PEM
	Key      specs.Hidden `json:"key,omitempty"`  // PEM
	External []string     `json:"external,omitempty"`
	Abort    bool         `json:"abort,omitempty"` // end the rotation that is under way, instead
}

// CAProgress is how far a rotation is. The last one of a stream is done.
type CAProgress struct {
	Text    string   `json:"text"` // in one line
	Nodes   int      `json:"nodes"`
	Renewed int      `json:"renewed"`
	Waiting []string `json:"waiting,omitempty"` // hostnames, and why
	Done    bool     `json:"done,omitempty"`
}

// UpdateClusterRequest changes the settings of the cluster. What is nil stays.
type UpdateClusterRequest struct {
	CertExpiry  *specs.Duration `json:"cert_expiry,omitempty"`  // 0 is the default
	OrphanAfter *specs.Duration `json:"orphan_after,omitempty"` // 0 is the default
	Path        *string         `json:"path,omitempty"`         // the folder of the cluster's own remote that holds the stacks, from the next push on
}

// Authority is the cluster's certificate authority.
type Authority interface {
	// Token is the token that makes machines nodes of a role, a new one if rotate.
	Token(ctx context.Context, role specs.Role, rotate bool) (specs.JoinToken, error)
	// Readmit makes a token that gives a node its identity back.
	Readmit(ctx context.Context, nodeID string) (specs.JoinToken, error)
	// Rotate begins a rotation, or ends one.
	Rotate(ctx context.Context, req RotateCARequest) error
	// Watch tells the progress of a rotation until it is done.
	Watch(ctx context.Context, send func(CAProgress) error) error
	// CertExpiry is the change of the authority's row by which certificates are good
	// for d, or for the default, from then on.
	CertExpiry(row specs.Authority, d time.Duration) (specs.Change, error)
	// Addrs are where machines can join now: at this manager first, then at the others
	// that it reaches.
	Addrs() []string
}

func (s *Server) getJoinToken(ctx context.Context, req JoinTokenRequest) (JoinTokenReply, error) {
	if req.Role != specs.Manager && req.Role != specs.Worker {
		return JoinTokenReply{}, wire.Errorf(wire.InvalidArgument, "join-token %s: a node is a manager or a worker", req.Role)
	}
	token, err := s.Authority.Token(ctx, req.Role, req.Rotate)
	return s.tokenReply(token, err)
}

func (s *Server) readmitNode(ctx context.Context, req ByName) (JoinTokenReply, error) {
	node, err := findNode(s.Cluster.Snapshot(), req.Name, s.self(ctx))
	if err != nil {
		return JoinTokenReply{}, err
	}
	if s.nodeStatus(node) == specs.NodeReady && s.Now().Before(node.Seen.Certificate.NotAfter) {
		return JoinTokenReply{}, wire.Errorf(wire.InvalidArgument, "node %s is up, and its certificate is good: nothing keeps it out", node.Name())
	}
	token, err := s.Authority.Readmit(ctx, node.ID)
	return s.tokenReply(token, err)
}

func (s *Server) tokenReply(token specs.JoinToken, err error) (JoinTokenReply, error) {
	if err != nil {
		return JoinTokenReply{}, err
	}
	addrs := s.Authority.Addrs()
	return JoinTokenReply{Token: token.String(), Addr: addrs[0], Others: addrs[1:]}, nil
}

func (s *Server) rotateCA(ctx context.Context, req RotateCARequest) (Empty, error) {
	return Empty{}, s.Authority.Rotate(ctx, req)
}

func (s *Server) watchCA(ctx context.Context, _ Empty, send func(CAProgress) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	return s.Authority.Watch(ctx, send)
}

// updateCluster writes all that a request changes, or nothing.
func (s *Server) updateCluster(ctx context.Context, req UpdateClusterRequest) (Empty, error) {
	if req == (UpdateClusterRequest{}) {
		return Empty{}, wire.Errorf(wire.InvalidArgument, "cluster update: nothing is to be changed: give --cert-expiry, --orphan-after or --path")
	}
	return Empty{}, s.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) { return s.settings(snap, req) })
}

// settings is what a request changes. What runs is compared with another path by the
// next push.
func (s *Server) settings(snap store.Snapshot, req UpdateClusterRequest) (tx specs.Transaction, err error) {
	if req.CertExpiry != nil {
		change, err := s.Authority.CertExpiry(snap.Authority(), time.Duration(*req.CertExpiry))
		if err != nil {
			return nil, err
		}
		tx = append(tx, change)
	}
	if req.OrphanAfter != nil {
		if *req.OrphanAfter < 0 {
			return nil, wire.Errorf(wire.InvalidArgument, "cluster update: --orphan-after %s: give 0 for the default, or how long a node may be down", *req.OrphanAfter)
		}
		cluster := snap.Cluster()
		cluster.Spec.OrphanAfter = *req.OrphanAfter
		tx = append(tx, specs.Change{Cluster: &cluster})
	}
	if req.Path != nil {
		source, _ := snap.Source(specs.MainSource)
		if source.Path, err = specs.CleanPath(*req.Path); err != nil {
			return nil, wire.Errorf(wire.InvalidArgument, "cluster update: %w", err)
		}
		tx = append(tx, specs.Change{Source: specs.Set(source.Name, source.Version, source)})
	}
	return tx, nil
}
