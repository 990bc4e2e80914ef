package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/swarmgit/swarmgit/reconciler"
	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// beginning says how a machine becomes a node. It does nothing to one that is a
// node already, so that a daemon can be started with the same flags again.
type beginning struct {
	cluster   string // its name, to make one; empty otherwise
	authority ca.Options
	join      []string // addresses of managers, to join one
	token     string
}

// identify returns who this node is. A machine that is no node yet makes a
// cluster or joins one.
func (n *node) identify(ctx context.Context) (*identity.Identity, error) {
	dir, begin := identityDir(n.cfg.dataDir), n.cfg.begin
	found, err := identity.Load(dir)
	if found != nil {
		n.clearUp(ctx, dir)
	}
	switch {
	case errors.Is(err, identity.ErrExpired) && begin.token == "" && found.Credentials().Self().Role == specs.Manager:
		n.cfg.log.WarnContext(ctx, "this manager's certificate has run out; it gives itself a new one if it can lead alone", "err", err)
		return found, nil
	case errors.Is(err, identity.ErrExpired) && begin.token != "":
		return n.join(ctx, dir)
	case errors.Is(err, identity.ErrNone):
		return n.begin(ctx, dir)
	case err != nil:
		return found, err
	}
	return found, n.goOn(found)
}

// clearUp removes what a daemon that was killed has left beside the identity.
func (n *node) clearUp(ctx context.Context, dir string) {
	if err := identity.Tidy(dir); err != nil {
		n.cfg.log.WarnContext(ctx, "an unfinished identity stays beside this node's", "dir", dir, "err", err)
	}
}

// begin makes this machine a node, once its settings can be.
func (n *node) begin(ctx context.Context, dir string) (*identity.Identity, error) {
	begin := n.cfg.begin
	if len(begin.join) == 0 && begin.cluster == "" {
		return nil, fmt.Errorf("%s holds no node yet: make a cluster with --init, or join one with --join ADDR --token TOKEN", n.cfg.dataDir)
	}
	if err := errors.Join(checkUnused(n.cfg.dataDir), checkExecutor(n.cfg), checkAdvertised(ctx, n.cfg.advertise)); err != nil {
		return nil, err
	}
	if len(begin.join) > 0 {
		return n.join(ctx, dir)
	}
	if err := checkListen(n.cfg); err != nil {
		return nil, err
	}
	return n.found(ctx, dir)
}

// goOn says that a machine which is a node already does not become one, and
// refuses to go on as a node of another cluster than the one that is to be joined.
func (n *node) goOn(found *identity.Identity) error {
	begin, self := n.cfg.begin, found.Credentials().Self()
	flag := "--init"
	switch {
	case len(begin.join) > 0:
		flag = "--join"
		token, err := specs.ParseJoinToken(begin.token)
		if err != nil {
			return err
		}
		if !found.Knows(token) {
			return fmt.Errorf(`--join %s: %s holds node %s, and the token is for another cluster: go on with that node without --join and --token; `+
				`to join the other cluster, first have the node leave its own ("swarmgit leave"), or remove it ("swarmgit daemon uninstall")`,
				begin.join[0], n.cfg.dataDir, self.NodeID)
		}
	case begin.cluster == "":
		return nil
	}
	if n.cfg.out != nil {
		fmt.Fprintf(n.cfg.out, "%s holds node %s, a %s of a cluster: it goes on, and %s does nothing.\n", n.cfg.dataDir, self.NodeID, self.Role, flag)
	}
	return nil
}

// join makes this machine a node of the cluster that the token is of.
func (n *node) join(ctx context.Context, dir string) (*identity.Identity, error) {
	if err := n.forgetBeginning(); err != nil {
		return nil, err
	}
	token, err := specs.ParseJoinToken(n.cfg.begin.token)
	if err != nil {
		return nil, err
	}
	joined, err := identity.Join(ctx, dir, n.cfg.begin.join, token, n.cfg.log)
	if err == nil && n.cfg.out != nil {
		fmt.Fprintf(n.cfg.out, "This node has joined the cluster as a %s.\n", joined.Credentials().Self().Role)
	}
	return joined, err
}

// found makes a cluster. What it begins with is on disk before this node's
// certificate: until that is too, nobody has heard of it, and it is drawn anew.
func (n *node) found(ctx context.Context, dir string) (*identity.Identity, error) {
	first, err := n.newFirst()
	if err != nil {
		return nil, fmt.Errorf("make a cluster: %w", err)
	}
	return identity.Create(ctx, dir, func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
		self := wire.Identity{NodeID: first.NodeID, Role: specs.Manager, ClusterID: first.ClusterID}
		return ca.Issue(ctx, first.Authority, csr, self, time.Now(), nil)
	})
}

// newFirst draws what a cluster begins with, and keeps it.
func (n *node) newFirst() (*reconciler.First, error) {
	authority, err := ca.NewAuthority(n.cfg.begin.authority, time.Now())
	if err != nil {
		return nil, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the host name: %w", err)
	}
	first := &reconciler.First{
		ClusterID: specs.NewID(rand.Reader), Name: n.cfg.begin.cluster,
		NodeID: specs.NewID(rand.Reader), Hostname: hostname, Authority: authority,
	}
	text, err := json.Marshal(first)
	if err != nil {
		return nil, err
	}
	return first, writeWhole(firstPath(n.cfg.dataDir), text)
}

// forgetBeginning removes what a cluster was to begin with, if it is there still.
func (n *node) forgetBeginning() error {
	if err := os.Remove(firstPath(n.cfg.dataDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what a cluster was to begin with: %w", err)
	}
	return nil
}

func readFirst(path string) (*reconciler.First, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	first := new(reconciler.First)
	if err := json.Unmarshal(text, first); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return first, nil
}
