package ca

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"maps"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// join makes a machine with a join token's secret a node. The node's ID is made
// of its key: who asks again with the same key, because an answer was lost, is
// the same node.
func (s *Server) join(ctx context.Context, req wire.CertifyRequest, request *x509.CertificateRequest) (specs.Node, error) {
	role, ok := roleOf(s.Store.Snapshot().Authority(), req.Secret)
	if !ok {
		s.refuse(ctx, "a join token that is not valid")
		return specs.Node{}, wire.Errorf(wire.PermissionDenied,
			`this join token is not valid any more: get one with "swarmgit join-token worker" on a manager`)
	}
	id := nodeIDOf(request)
	snap := s.Store.Snapshot()
	_, known := snap.Node(id)
	_, removed := snap.Authority().Removed[id]
	if !known && !removed {
		node := specs.Node{ID: id, Created: s.Now(), Spec: specs.NodeSpec{Role: role}}
		node.Seen.Description.Hostname = req.Hostname
		switch err := s.write(ctx, specs.Change{Node: specs.Insert(id, node)}); {
		case err == nil:
			s.Log.InfoContext(ctx, "a machine has joined", "node", id, "role", role, "from", wire.CallerAddr(ctx))
		case !errors.Is(err, store.ErrConflict): // else a twin of this call was faster
			return specs.Node{}, err
		}
	}
	return s.member(id)
}

// roleOf is the role that the secret of a join token gives. It takes the same
// time whatever the secret is.
func roleOf(a specs.Authority, secret specs.Hidden) (specs.Role, bool) {
	worker := subtle.ConstantTimeCompare([]byte(secret), []byte(a.Worker))
	manager := subtle.ConstantTimeCompare([]byte(secret), []byte(a.Manager))
	switch {
	case a.Worker == "" || a.Manager == "":
		return "", false
	case manager == 1:
		return specs.Manager, true
	}
	return specs.Worker, worker == 1
}

// readmit gives a node whose certificate has run out its identity back. The
// token is good once: from then on only the key that used it may ask again.
func (s *Server) readmit(ctx context.Context, req wire.CertifyRequest, request *x509.CertificateRequest) (specs.Node, error) {
	node, err := s.member(req.NodeID)
	if err != nil {
		return specs.Node{}, err
	}
	a := s.Store.Snapshot().Authority()
	key := hashOf(request.RawSubjectPublicKeyInfo)
	given, ok := a.Readmissions[node.ID]
	secret := hashOf([]byte(req.Secret))
	if !ok || subtle.ConstantTimeCompare([]byte(secret), []byte(given.Secret)) != 1 ||
		s.Now().After(given.Until) || given.Key != "" && given.Key != key {
		s.refuse(ctx, "a token to readmit a node that is not valid")
		return specs.Node{}, wire.Errorf(wire.PermissionDenied,
			`this token does not readmit node %s, or not any more: get one with "swarmgit node readmit %s" on a manager`, node.ID, node.ID)
	}
	if given.Key == "" {
		given.Key = key
		a.Readmissions = maps.Clone(a.Readmissions)
		a.Readmissions[node.ID] = given
		if err := s.write(ctx, specs.Change{Authority: &a}); err != nil {
			return specs.Node{}, err
		}
		s.Log.InfoContext(ctx, "a node is readmitted", "node", node.ID, "from", wire.CallerAddr(ctx))
	}
	return node, nil
}

// nodeIDOf is the ID of the node that has the key of a request.
func nodeIDOf(request *x509.CertificateRequest) string {
	sum := sha256.Sum256(request.RawSubjectPublicKeyInfo)
	return specs.ID([16]byte(sum[:16]))
}

func hashOf(data []byte) specs.Hash {
	sum := sha256.Sum256(data)
	return specs.Hash(hex.EncodeToString(sum[:]))
}

// write proposes one transaction, see Config.Propose.
func (s *Server) write(ctx context.Context, tx ...specs.Change) error {
	err := s.Propose(ctx, tx)
	if errors.Is(err, store.ErrConflict) {
		return wire.Errorf(wire.Conflict, "%w", err)
	}
	return err
}
