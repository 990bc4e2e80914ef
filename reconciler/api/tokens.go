package api

import (
	"context"
	"crypto/rand"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Lasting tokens for the port of people. They answer over a daemon's own socket
// only: who may make tokens may make any.
const (
	CreateToken = wire.Unary[CreateTokenRequest, CreateTokenReply]("/swarmgit.api/CreateToken")
	ListTokens  = wire.Unary[Empty, ListTokensReply]("/swarmgit.api/ListTokens")
	RemoveToken = wire.Unary[ByName, Empty]("/swarmgit.api/RemoveToken")
)

// CreateTokenRequest asks for a token of a role.
type CreateTokenRequest struct {
	Role    specs.AccessRole `json:"role"`
	Name    string           `json:"name,omitempty"`    // empty is made up
	Expires specs.Duration   `json:"expires,omitempty"` // from now; 0 is never
}

// CreateTokenReply is the one time that the token is shown.
type CreateTokenReply struct {
	Name  string       `json:"name"`
	Token specs.Hidden `json:"token"`
}

// ListTokensReply lists tokens, oldest first.
type ListTokensReply struct {
	Tokens []Token `json:"tokens"`
}

// Token is what is known of a token.
type Token struct {
	Name    string           `json:"name"`
	Role    specs.AccessRole `json:"role"`
	Created time.Time        `json:"created"`
	Expires time.Time        `json:"expires,omitzero"`
	Expired bool             `json:"expired,omitempty"`
}

// tokenName keeps names such that they can be typed and printed.
var tokenName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)

// maxTokens bounds the cluster's row, which every change of a setting rewrites.
const maxTokens = 500

func (s *Server) createToken(ctx context.Context, req CreateTokenRequest) (CreateTokenReply, error) {
	if req.Name == "" {
		req.Name = string(req.Role) + "-" + strings.ToLower(rand.Text()[:6])
	}
	switch {
	case req.Role != specs.Admin && req.Role != specs.Viewer:
		return CreateTokenReply{}, wire.Errorf(wire.InvalidArgument, "token create: --role %q: it is admin or viewer", req.Role)
	case !tokenName.MatchString(req.Name):
		return CreateTokenReply{}, wire.Errorf(wire.InvalidArgument, "token create: --name %q: use letters, digits, and _ . - inside, at most 63", req.Name)
	case req.Expires < 0:
		return CreateTokenReply{}, wire.Errorf(wire.InvalidArgument, "token create: --expires %s: give how long it is good, such as 720h, or 0 for ever", req.Expires)
	}
	token := "swarmgit-" + strings.ToLower(rand.Text())
	kept := specs.AccessToken{Name: req.Name, Role: req.Role, Hash: specs.HashAccess(token), Created: s.Now()}
	if req.Expires > 0 {
		kept.Expires = kept.Created.Add(time.Duration(req.Expires))
	}
	err := s.changeTokens(ctx, func(tokens []specs.AccessToken) ([]specs.AccessToken, error) {
		switch {
		case slices.ContainsFunc(tokens, named(req.Name)):
			return nil, wire.Errorf(wire.AlreadyExists, "token create: there is a token %s: choose another --name, or: swarmgit token rm %s", req.Name, req.Name)
		case len(tokens) >= maxTokens:
			return nil, wire.Errorf(wire.Exhausted, "token create: the cluster has %d tokens, which is the most: remove some with \"swarmgit token rm\"", maxTokens)
		}
		return append(tokens, kept), nil
	})
	if err != nil {
		return CreateTokenReply{}, err
	}
	return CreateTokenReply{Name: req.Name, Token: specs.Hidden(token)}, nil
}

func (s *Server) listTokens(context.Context, Empty) (ListTokensReply, error) {
	reply := ListTokensReply{Tokens: []Token{}}
	for _, t := range s.Cluster.Snapshot().Cluster().Spec.Tokens {
		reply.Tokens = append(reply.Tokens, Token{t.Name, t.Role, t.Created, t.Expires, t.Expired(s.Now())})
	}
	return reply, nil
}

func (s *Server) removeToken(ctx context.Context, req ByName) (Empty, error) {
	return Empty{}, s.changeTokens(ctx, func(tokens []specs.AccessToken) ([]specs.AccessToken, error) {
		left := slices.DeleteFunc(tokens, named(req.Name))
		if len(left) == len(tokens) {
			return nil, wire.Errorf(wire.NotFound, "no such token: %s (see: swarmgit token ls)", req.Name)
		}
		return left, nil
	})
}

func named(name string) func(specs.AccessToken) bool {
	return func(t specs.AccessToken) bool { return t.Name == name }
}

// changeTokens writes the tokens that change makes of a copy of those that are
// there.
func (s *Server) changeTokens(ctx context.Context, change func([]specs.AccessToken) ([]specs.AccessToken, error)) error {
	return s.changeCluster(ctx, func(cluster *specs.Cluster) (err error) {
		cluster.Spec.Tokens, err = change(slices.Clone(cluster.Spec.Tokens))
		return err
	})
}
