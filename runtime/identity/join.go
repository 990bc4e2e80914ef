package identity

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// A machine that joins asks again after joinPause, later less often, until
	// somebody answers.
	joinPause    = time.Second
	maxJoinPause = 30 * time.Second
	// askTimeout is how long one manager may take to answer. It may have to ask an
	// external authority.
	askTimeout = 30 * time.Second
	// maxHops is how often a manager may send on to another one before it is a
	// failure: leaders change, but not that often.
	maxHops = 3
)

// Join makes this machine a node of the cluster that the token is of. It asks
// the managers at addrs until one answers or ctx ends; a refusal is final. A
// node whose certificate has run out takes a token that readmits it, and stays
// the node that it is.
func Join(ctx context.Context, dir string, addrs []string, token specs.JoinToken, log *slog.Logger) (*Identity, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host name: %w", err)
	}
	request := wire.CertifyRequest{Secret: token.Secret, Hostname: hostname}
	old, err := Load(dir)
	switch {
	case errors.Is(err, ErrExpired):
		request.NodeID = old.credentials.Self().NodeID
	case err == nil:
		return nil, fmt.Errorf("this machine is node %s of a cluster already: start the daemon without --join and --token", old.credentials.Self().NodeID)
	case !errors.Is(err, ErrNone):
		return nil, err
	}
	joined, err := Create(ctx, dir, func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
		request.CSR = csr
		return persist(ctx, addrs, log, func(addr string) (wire.CertifyReply, error) {
			client := wire.JoinClient(addr, token.Root)
			defer client.Close()
			return certify(ctx, client, request)
		})
	})
	if err != nil {
		return nil, err
	}
	return joined, os.WriteFile(filepath.Join(dir, joinedFile), []byte(hex.EncodeToString(token.Root[:])), 0o600)
}

// Knows reports whether a token is of this node's cluster: of a root that it
// trusts, or of the one by which it joined, since when the root may have changed.
func (i *Identity) Knows(token specs.JoinToken) bool {
	digest := hex.EncodeToString(token.Root[:])
	joined, err := os.ReadFile(filepath.Join(i.dir, joinedFile))
	if err == nil && string(joined) == digest {
		return true
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.ContainsFunc(i.roots, func(root *x509.Certificate) bool { return wire.DigestOf(root) == specs.Hash(digest) })
}

func certify(ctx context.Context, client *wire.Client, request wire.CertifyRequest) (wire.CertifyReply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return wire.Certify.Call(ctx, client, request)
}

// persist asks one manager after the other until one gives a certificate.
func persist(ctx context.Context, addrs []string, log *slog.Logger, ask func(addr string) (wire.CertifyReply, error)) (wire.CertifyReply, error) {
	if len(addrs) == 0 {
		return wire.CertifyReply{}, errors.New("join: no address of a manager is given (--join ADDR:2377)")
	}
	for pause := joinPause; ; pause = min(2*pause, maxJoinPause) {
		for _, addr := range addrs {
			reply, err := follow(addr, ask)
			if errors.Is(err, syscall.ECONNREFUSED) {
				err = fmt.Errorf("%w: nobody listens there: only a manager does, while its daemon runs", err)
			}
			switch {
			case err == nil:
				return reply, nil
			case errors.Is(err, wire.ErrOtherCluster):
				return reply, fmt.Errorf(`join %w, or older than the last "swarmgit ca rotate": get one with "swarmgit join-token worker" there`, err)
			case !passes(err):
				return reply, fmt.Errorf("join %s: %w", addr, err)
			case ctx.Err() != nil:
				return reply, fmt.Errorf("join %s: %w", addr, err)
			}
			log.WarnContext(ctx, "not joined yet", "manager", addr, "err", err, "next", pause)
		}
		if err := bell.Sleep(ctx, pause); err != nil {
			return wire.CertifyReply{}, fmt.Errorf("join: %w", err)
		}
	}
}

// follow asks the manager at addr, and those that it sends on to.
func follow(addr string, ask func(addr string) (wire.CertifyReply, error)) (wire.CertifyReply, error) {
	for range maxHops {
		reply, err := ask(addr)
		if err != nil || reply.Leader == "" {
			return reply, err
		}
		addr = reply.Leader
	}
	return wire.CertifyReply{}, wire.Errorf(wire.Unavailable, "the managers do not agree on who leads: the last one named is %s", addr)
}

// passes reports whether asking again may help.
func passes(err error) bool {
	return slices.Contains([]wire.Kind{
		wire.Unavailable, wire.DeadlineExceeded, wire.Conflict, wire.NotLeader, wire.OutcomeUnknown, wire.Internal, wire.Canceled,
	}, wire.KindOf(err))
}
