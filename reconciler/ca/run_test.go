package ca

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// leader is a server over a real store, in a synctest bubble.
type leader struct {
	*testing.T
	*Server
	store *store.Store
	end   func()

	mu    sync.Mutex
	index uint64
	told  []string
	fail  error // what the next proposals come to
}

func (l *leader) propose(_ context.Context, tx specs.Transaction) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.index++
	return l.store.Apply(l.index, []specs.Transaction{tx})[0]
}

func (l *leader) write(tx ...specs.Change) {
	l.Helper()
	if err := l.propose(l.Context(), tx); err != nil {
		l.Fatal(err)
	}
}

// lead begins a term of a manager that knows only the store.
func (l *leader) lead() {
	l.Server = New(Config{
		Store: l.store, Propose: l.propose, Now: time.Now, Log: slog.New(slog.DiscardHandler), Leader: func() string { return "" },
		Tell: func(node string, _ specs.Hash) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told = append(l.told, node)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Server.Run(ctx) }()
	l.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			l.Errorf("the term ended with %v", err)
		}
	})
	l.Cleanup(func() { l.end() })
	synctest.Wait()
}

// count is how many nodes have been told to renew since the last time.
func (l *leader) count() int {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.told)
	l.told = nil
	return n
}

// sees writes what the dispatcher sees of a node.
func (l *leader) sees(id string, issuer specs.Hash) {
	l.Helper()
	node, _ := l.store.Snapshot().Node(id)
	seen := specs.NodeSeen{Status: specs.NodeReady, Certificate: specs.NodeCertificate{Issuer: issuer}}
	l.write(specs.Change{NodeSeen: specs.Set(id, node.SeenVersion, seen)})
}

// bubble runs a test with a leader of so many nodes.
func bubble(t *testing.T, nodes int, f func(*leader)) {
	synctest.Test(t, func(t *testing.T) {
		l := &leader{T: t, store: store.New()}
		a, err := NewAuthority(Options{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		l.write(specs.Change{Cluster: &specs.Cluster{ID: "prod"}}, specs.Change{Authority: &a})
		for i := range nodes {
			id := fmt.Sprintf("n%03d", i)
			l.write(specs.Change{Node: specs.Insert(id, specs.Node{Spec: specs.NodeSpec{Role: specs.Worker}})})
			l.sees(id, a.Issuer())
		}
		l.lead()
		f(l)
	})
}

func TestRunCarriesARotationOverTerms(t *testing.T) {
	bubble(t, 70, func(l *leader) {
		if err := l.Rotate(l.Context(), Options{}); err != nil {
			l.Fatal(err)
		}
		if n := l.count(); n != tellAtOnce {
			l.Errorf("%d nodes are told at first", n)
		}
		time.Sleep(tellPause)
		if n := l.count(); n != tellAtOnce {
			l.Errorf("%d nodes are told next", n)
		}
		l.end()
		l.lead() // knows nobody who was told, so tells them again
		if n := l.count(); n != 2*tellAtOnce {
			l.Errorf("%d nodes are told by the next leader", n)
		}
		time.Sleep(time.Minute)
		if n := l.count(); n != 10 {
			l.Errorf("%d nodes are told at last", n)
		}
		l.renewAll()
		l.end()
		l.lead() // and has nothing to write any more
		after := l.store.Snapshot().Authority()
		if p := l.Progress(); p.Rotating || p.Renewed != 0 {
			l.Errorf("after the end: %s", p)
		}
		time.Sleep(time.Minute)
		if n := l.count(); n < 70 {
			l.Errorf("%d nodes are told to forget the old root", n)
		}
		l.renewAll()
		if p := l.Progress(); p.Renewed != 70 || l.store.Snapshot().Authority().Version != after.Version {
			l.Errorf("at last: %s", p)
		}
	})
}

// renewAll has the dispatcher see that all nodes have renewed.
func (l *leader) renewAll() {
	l.Helper()
	issuer := l.store.Snapshot().Authority().Issuer()
	for node := range l.store.Snapshot().Nodes() {
		l.sees(node.ID, issuer)
	}
	synctest.Wait()
}

func TestRunForgetsInTime(t *testing.T) {
	bubble(t, 1, func(l *leader) {
		if _, err := l.Readmit(l.Context(), "n000"); err != nil {
			l.Fatal(err)
		}
		node, _ := l.store.Snapshot().Node("n000")
		time.Sleep(readmitWithin - time.Second)
		if l.count(); len(l.store.Snapshot().Authority().Readmissions) != 1 {
			l.Error("forgotten too early")
		}
		time.Sleep(time.Second)
		if l.count(); len(l.store.Snapshot().Authority().Readmissions) != 0 {
			l.Error("not forgotten")
		}
		l.write(Removal(l.store.Snapshot().Authority(), time.Now(), node)...)
		self := wire.Identity{NodeID: node.ID}
		time.Sleep(specs.DefaultCertExpiry)
		if l.count(); l.Refuse(self) == nil {
			l.Error("let in too early")
		}
		time.Sleep(removalMargin)
		if l.count(); l.Refuse(self) != nil || l.Refuse(wire.Identity{NodeID: "other"}) != nil {
			l.Error("refused for ever")
		}
	})
}

// TestRunTriesAgain: a term, and with it the session of every node, does not end
// because the disk is full. What is due is written once that can be.
func TestRunTriesAgain(t *testing.T) {
	bubble(t, 1, func(l *leader) {
		if _, err := l.Readmit(l.Context(), "n000"); err != nil {
			l.Fatal(err)
		}
		full := errors.New("the disk is full")
		l.failing(full)
		time.Sleep(readmitWithin + time.Hour)
		if _, err := l.Readmit(l.Context(), "n000"); !errors.Is(err, full) {
			l.Errorf("an operation ended with %v", err)
		}
		if !l.leads.Load() {
			l.Fatal("the term has ended")
		}
		l.failing(nil)
		time.Sleep(writePause)
		if l.count(); len(l.store.Snapshot().Authority().Readmissions) != 0 {
			l.Error("what was due was not written")
		}
	})
}

func (l *leader) failing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func TestOperationsRefuseMistakes(t *testing.T) {
	bubble(t, 1, func(l *leader) {
		_, unknown := l.Readmit(l.Context(), "nobody")
		expiry := func(a specs.Authority, d time.Duration) error {
			_, err := CertExpiry(a, d)
			return err
		}
		a := l.store.Snapshot().Authority()
		for name, tc := range map[string]struct {
			err  error
			kind wire.Kind
		}{
			"readmit nobody":       {unknown, wire.PermissionDenied},
			"expiry of a minute":   {expiry(a, time.Minute), wire.InvalidArgument},
			"expiry too early":     {expiry(specs.Authority{}, 0), wire.Unavailable},
			"abort nothing":        {l.Abort(l.Context()), wire.InvalidArgument},
			"rotate to no key":     {l.Rotate(l.Context(), Options{CertPEM: "x"}), wire.InvalidArgument},
			"expiry of two months": {expiry(a, 60*24*time.Hour), 0},
			"back to the default":  {expiry(a, 0), 0},
		} {
			if (tc.err == nil) != (tc.kind == 0) || tc.err != nil && wire.KindOf(tc.err) != tc.kind {
				l.Errorf("%s: %v", name, tc.err)
			}
		}
	})
}

func TestWatchTellsARotation(t *testing.T) {
	bubble(t, 2, func(l *leader) {
		if err := l.Rotate(l.Context(), Options{}); err != nil {
			l.Fatal(err)
		}
		var lines []string
		ended := make(chan error, 1)
		go func() {
			ended <- l.Watch(l.Context(), func(p Progress) error {
				lines = append(lines, p.String())
				return nil
			})
		}()
		for range 2 { // to what is between, then to the new root
			synctest.Wait()
			issuer := l.store.Snapshot().Authority().Issuer()
			for _, id := range []string{"n000", "n001"} {
				l.sees(id, issuer)
				synctest.Wait()
			}
		}
		want := []string{
			"rotating the root certificate: 0 of 2 nodes renewed; waiting for n000, n001",
			"rotating the root certificate: 1 of 2 nodes renewed; waiting for n001",
			"the root certificate is in place: 0 of 2 nodes renewed; waiting for n000, n001",
			"the root certificate is in place: 1 of 2 nodes renewed; waiting for n001",
			"the root certificate is in place: 2 of 2 nodes renewed",
		}
		if err := <-ended; err != nil {
			l.Error(err)
		}
		lines = slices.DeleteFunc(lines, func(line string) bool { // it may or may not be seen before the root is another
			return line == "rotating the root certificate: 2 of 2 nodes renewed"
		})
		if diff := cmp.Diff(want, lines); diff != "" {
			l.Error(diff)
		}
	})
}

func TestForgottenNodeIsRefused(t *testing.T) {
	bubble(t, 1, func(l *leader) {
		node, _ := l.store.Snapshot().Node("n000")
		forget := func(node specs.Node) error {
			return l.propose(l.Context(), Removal(l.store.Snapshot().Authority(), time.Now(), node))
		}
		if err := forget(specs.Node{ID: node.ID, SpecVersion: node.SpecVersion + 1}); !errors.Is(err, store.ErrConflict) || l.Refuse(wire.Identity{NodeID: node.ID}) != nil {
			l.Errorf("as it never was: %v", err)
		}
		if err := forget(node); err != nil || l.Refuse(wire.Identity{NodeID: node.ID}) == nil {
			l.Errorf("as it is: %v", err)
		}
		if _, there := l.store.Snapshot().Node(node.ID); there {
			l.Error("its row is still there")
		}
	})
}

// A node may come with a certificate from before a rotation that it missed, in a
// term that began after it.
func TestRunTellsWhoComesWithAnOldCertificate(t *testing.T) {
	bubble(t, 3, func(l *leader) {
		l.sees("n001", l.store.Snapshot().Authority().Issuer())
		if n := l.count(); n != 0 {
			t.Errorf("%d nodes are told although all are as they are to be", n)
		}
		l.sees("n001", "old")
		if n := l.count(); n != 1 {
			t.Errorf("%d nodes are told to renew", n)
		}
	})
}

// Who joins while a rotation begins gets a certificate of that: the other root may
// be gone when the node says its first word.
func TestJoinDuringARotation(t *testing.T) {
	bubble(t, 0, func(l *leader) {
		before := l.Server
		joining := New(before.Config)
		joining.Propose = func(ctx context.Context, tx specs.Transaction) error {
			return errors.Join(l.propose(ctx, tx), before.Rotate(ctx, Options{}))
		}
		secret := l.store.Snapshot().Authority().Worker
		reply, err := joining.answer(l.Context(), wire.CertifyRequest{CSR: newRequest(l), Secret: secret})
		if err != nil || len(reply.Chain) != 2 || len(reply.Roots) != 2 {
			l.Errorf("a chain of %d and %d roots, %v", len(reply.Chain), len(reply.Roots), err)
		}
	})
}
