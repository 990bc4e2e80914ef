package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// An --init that came to nothing, since nobody signed, binds nobody: the next has
// its own flags, and a --join leaves nothing of it.
func TestBeginningThatCameToNothing(t *testing.T) {
	authority, err := ca.NewAuthority(ca.Options{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	begin := func(n *node) error {
		_, err := n.identify(t.Context())
		return err
	}
	n := &node{cfg: nodeConfig{dataDir: t.TempDir(), log: quietLog()}}
	n.cfg.begin = beginning{cluster: "first", authority: ca.Options{CertPEM: authority.Root.Cert, External: []string{"https://127.0.0.1:1"}}}
	if err := begin(n); err == nil {
		t.Fatal("an authority that does not answer has signed")
	}
	n.cfg.begin = beginning{join: []string{"127.0.0.1:1"}, token: "nonsense"}
	if err := begin(n); err == nil {
		t.Fatal("it has joined by a token that is none")
	}
	if _, err := os.Stat(firstPath(n.cfg.dataDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the cluster was to begin with is still there: %v", err)
	}
	n.cfg.begin = beginning{cluster: "second"}
	if err := begin(n); err != nil {
		t.Fatal(err)
	}
	if first, err := readFirst(firstPath(n.cfg.dataDir)); err != nil || first.Name != "second" || len(first.Authority.External) > 0 {
		t.Errorf("%+v, %v", first, err)
	}
}

// A manager that was killed after it became a worker, and before it had forgotten
// what it knew, forgets it when it is back.
func TestWorkerForgetsWhatAManagerKnew(t *testing.T) {
	authority, err := ca.NewAuthority(ca.Options{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n := &node{cfg: nodeConfig{dataDir: dir, log: quietLog()}, changed: make(chan struct{}, 1), settled: make(chan struct{})}
	n.identity, err = identity.Create(t.Context(), identityDir(dir), func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
		return ca.Issue(ctx, authority, csr, wire.Identity{NodeID: "n1", Role: specs.Worker, ClusterID: "prod"}, time.Now(), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"raft", "git"} {
		if err := os.MkdirAll(n.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.office(ctx) }()
	<-n.settled
	for _, name := range []string{"raft", "git"} {
		if _, err := os.Stat(n.path(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A daemon may be started again with the flags that made its machine a node, but
// not be thought to have joined another cluster by that.
func TestANodeIsMadeOnce(t *testing.T) {
	start := func(dir string, begin beginning) (said string, err error) {
		var out strings.Builder
		n := &node{cfg: nodeConfig{dataDir: dir, listen: "127.0.0.1:0", executor: processExecutor, begin: begin, log: quietLog(), out: &out}}
		id, err := n.identify(t.Context())
		if err != nil {
			return "", err
		}
		return strings.ReplaceAll(strings.ReplaceAll(out.String(), dir, "DIR"), id.Credentials().Self().NodeID, "N"), nil
	}
	here, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{here, other} {
		if said, err := start(dir, beginning{cluster: "prod"}); err != nil || said != "" {
			t.Fatalf("%q, %v", said, err)
		}
	}
	join := func(dir string) beginning {
		first, err := readFirst(firstPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		return beginning{join: []string{"10.0.0.1:2377"}, token: fmt.Sprint(first.Authority.Token(specs.Worker))}
	}
	for name, c := range map[string]struct {
		begin      beginning
		said, want string
	}{
		"as it is":     {beginning{}, "", ""},
		"made again":   {beginning{cluster: "prod"}, "DIR holds node N, a manager of a cluster: it goes on, and --init does nothing.\n", ""},
		"joined again": {join(here), "DIR holds node N, a manager of a cluster: it goes on, and --join does nothing.\n", ""},
		"another":      {join(other), "", `the token is for another cluster: go on with that node without --join and --token; to join the other cluster, first have the node leave its own ("swarmgit leave")`},
	} {
		said, err := start(here, c.begin)
		if said != c.said || (err != nil) != (c.want != "") || c.want != "" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}

// What lies under the name of something of ours, and was there before the node, is
// not ours.
func TestANodeTakesNothingOfOthers(t *testing.T) {
	begin := func(names ...string) error {
		dir := t.TempDir()
		for _, name := range names {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		n := &node{cfg: nodeConfig{dataDir: dir, listen: "127.0.0.1:0", executor: processExecutor, begin: beginning{cluster: "prod"}, log: quietLog()}}
		_, err := n.identify(t.Context())
		return err
	}
	for _, name := range append(slices.Clone(clusterState), containerdName) {
		if err := begin(name); err == nil || !strings.Contains(err.Error(), name+", which the node would use, and remove when it leaves: give another --data-dir") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := begin("photos", containerdName, containerdLog); err != nil {
		t.Errorf("a node that left, and photos: %v", err)
	}
}
