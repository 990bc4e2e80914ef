package wire

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
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

// maxJoin bounds what anybody may send, in bytes: the request for a certificate has
// some hundred.
const maxJoin = 64 << 10

// Authorize lets calls through to next according to their caller's certificate.
// What has no rule is refused.
func Authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, known := Peer(r.Context())
		switch {
		case strings.HasPrefix(r.URL.Path, joinPrefix):
			r.Body = http.MaxBytesReader(w, r.Body, maxJoin)
			next.ServeHTTP(w, r)
		case known && strings.HasPrefix(r.URL.Path, nodePrefix),
			known && peer.Role == specs.Manager && strings.HasPrefix(r.URL.Path, managerPrefix):
			next.ServeHTTP(w, r)
		case !known:
			Refuse(w, r, Errorf(Unauthenticated, "this port serves nodes that have a certificate of the cluster"))
		default:
			Refuse(w, r, Errorf(PermissionDenied, "a %s may not call %s", peer.Role, r.URL.Path))
		}
	})
}

type callerKey struct{}

// caller is what is known of the connection of a call.
type caller struct {
	addr        string
	certificate specs.NodeCertificate
}

// CallerAddr is where a call came from, "10.0.0.7:51034".
func CallerAddr(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.addr
}

// PeerCertificate describes the certificate of the node that called. It is zero
// for a caller without one.
func PeerCertificate(ctx context.Context) specs.NodeCertificate {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.certificate
}

// connContext is the context of the calls of a connection: who makes them is
// found out once for all of them. A handshake was done before, see Port.
func connContext(ctx context.Context, conn net.Conn) context.Context {
	c := caller{addr: conn.RemoteAddr().String()}
	switch conn := conn.(type) {
	case piped:
		if conn.as != nil {
			ctx, c.certificate = WithPeer(ctx, conn.as.id), conn.as.certificate
		}
	case *tls.Conn:
		state := conn.ConnectionState()
		if len(state.VerifiedChains) == 0 {
			break
		}
		id, err := IdentityOf(state.PeerCertificates[0])
		if err != nil {
			break // the handshake has refused such certificates
		}
		ctx = WithPeer(ctx, id)
		c.certificate = describe(id, state.PeerCertificates, state.VerifiedChains[0])
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// describe says what a node's certificate is. What it was signed with is what
// the node shows after it; a node that shows nothing more has it from the root.
func describe(id Identity, shown, verified []*x509.Certificate) specs.NodeCertificate {
	issuer := verified[len(verified)-1]
	if len(shown) > 1 {
		issuer = shown[1]
	}
	return specs.NodeCertificate{Role: id.Role, Issuer: DigestOf(issuer), NotAfter: shown[0].NotAfter.UTC()}
}

// DigestOf names a certificate: the SHA-256 of its content.
func DigestOf(cert *x509.Certificate) specs.Hash {
	sum := sha256.Sum256(cert.Raw)
	return specs.Hash(hex.EncodeToString(sum[:]))
}
