package wire

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Identity is who a certificate says that a node is. The certificate has the
// node's ID as its common name, the role as its organizational unit and the
// cluster's ID as its organization, as in Swarm.
type Identity struct {
	NodeID    string
	Role      specs.Role
	ClusterID string
}

// rolePrefix stands before a role in certificates.
const rolePrefix = "swarmgit-"

// RoleName is a role's name in certificates. It is also the DNS name of all
// nodes that have it: who dials a manager asks for that name.
func RoleName(role specs.Role) string { return rolePrefix + string(role) }

// IdentityOf reads a certificate that is known to be the cluster's.
func IdentityOf(cert *x509.Certificate) (Identity, error) {
	name := cert.Subject
	if len(name.Organization) != 1 || len(name.OrganizationalUnit) != 1 || name.CommonName == "" {
		return Identity{}, fmt.Errorf("the certificate of %q names no node of a cluster", name)
	}
	role := specs.Role(strings.TrimPrefix(name.OrganizationalUnit[0], rolePrefix))
	if !slices.Contains([]specs.Role{specs.Manager, specs.Worker}, role) || name.OrganizationalUnit[0] == string(role) {
		return Identity{}, fmt.Errorf("the certificate of node %s has the unknown role %q", name.CommonName, name.OrganizationalUnit[0])
	}
	return Identity{NodeID: name.CommonName, Role: role, ClusterID: name.Organization[0]}, nil
}

type peerKey struct{}

// Peer is the node that called a procedure, by its certificate or by the pipe
// that it came through. It is false for a caller that has neither.
func Peer(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(peerKey{}).(Identity)
	return id, ok
}

// WithPeer marks a context as that of a call of the node.
func WithPeer(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, peerKey{}, id)
}

// The beginnings of procedures' paths say who may call them; see Authorize.
const (
	joinPrefix    = "/swarmgit.join/"    // anybody: the procedure asks for a token or a certificate itself
	nodePrefix    = "/swarmgit.node/"    // every node of the cluster
	managerPrefix = "/swarmgit.manager/" // managers
)

// Authorize lets calls through to next according to their caller's certificate.
// What has no rule is refused.
func Authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := Peer(r.Context())
		switch {
		case strings.HasPrefix(r.URL.Path, joinPrefix),
			known && strings.HasPrefix(r.URL.Path, nodePrefix),
			known && peer.Role == specs.Manager && strings.HasPrefix(r.URL.Path, managerPrefix):
			next.ServeHTTP(w, r)
		case !known:
			refuse(w, r, Errorf(Unauthenticated, "this port serves nodes that have a certificate of the cluster"))
		default:
			refuse(w, r, Errorf(PermissionDenied, "a %s may not call %s", peer.Role, r.URL.Path))
		}
	})
}

// withCaller puts into the context of a request who makes it.
func withCaller(r *http.Request) *http.Request {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return r
	}
	id, err := IdentityOf(r.TLS.PeerCertificates[0])
	if err != nil {
		return r // the handshake has refused such certificates
	}
	return r.WithContext(WithPeer(r.Context(), id))
}
