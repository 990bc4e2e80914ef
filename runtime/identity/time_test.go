package identity_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// bubble is one node and a manager, connected by a pipe, in a synctest bubble.
type bubble struct {
	*cluster
	id      *identity.Identity
	renewed chan wire.Identity
	log     *lockedBuffer
	pipe    *wire.Pipe
	seen    specs.NodeCertificate // by the manager

	mu   sync.Mutex
	fail error // of the next connections
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// take returns what was written since the last time.
func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.Reset()
	return b.String()
}

func inBubble(t *testing.T, expiry time.Duration, f func(*bubble)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{T: t, store: store.New(), log: slog.New(slog.DiscardHandler), dir: t.TempDir(), told: map[string]specs.Hash{}}
		b := &bubble{cluster: c, log: &lockedBuffer{}, renewed: make(chan wire.Identity, 100)}
		a, err := ca.NewAuthority(ca.Options{CertExpiry: expiry}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		self := wire.Identity{NodeID: "n1", Role: specs.Worker, ClusterID: "prod"}
		b.id, err = identity.Create(t.Context(), c.at("n1"), func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
			return ca.Issue(ctx, a, csr, self, time.Now(), nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		c.write(specs.Change{Cluster: &specs.Cluster{ID: "prod"}}, specs.Change{Authority: &a},
			specs.Change{Node: specs.Insert("n1", specs.Node{Spec: specs.NodeSpec{Role: specs.Worker}})})
		server := ca.New(ca.Config{Store: c.store, Propose: c.propose, Now: time.Now, Log: c.log, Leader: func() string { return "" }})
		b.pipe = wire.NewPipe()
		mux := http.NewServeMux()
		server.Register(mux)
		hello.Serve(mux, func(ctx context.Context, _ helloRequest) (helloReply, error) {
			b.seen = wire.PeerCertificate(ctx)
			return helloReply{}, nil
		})
		stopServer := c.run(server.Run, func(ctx context.Context) error { return wire.Serve(ctx, b.pipe, mux) })
		stop := c.run((&identity.Renewal{
			Identity: b.id, Log: slog.New(slog.NewTextHandler(b.log, nil)), Renewed: func(before wire.Identity) { b.renewed <- before },
			Connect: func(context.Context) (*wire.Client, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				return wire.NewClient(b.pipe.AsNode(b.id.Shown)), b.fail
			},
		}).Run)
		f(b)
		stop()
		stopServer()
	})
}

func (b *bubble) failing(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// TestRenewedInTime: at a point between half and four fifths of each life.
func TestRenewedInTime(t *testing.T) {
	const life = 90 * 24 * time.Hour
	inBubble(t, 0, func(b *bubble) {
		for range 5 {
			start := time.Now()
			<-b.renewed
			if at := time.Since(start); at < life/2 || at > life*8/10 {
				b.Errorf("renewed after %s", at)
			}
			if end := b.id.Certificate().NotAfter; !end.Equal(time.Now().Add(life).Truncate(time.Second)) {
				b.Errorf("good until %s", end)
			}
			if _, err := identity.Load(b.at("n1")); err != nil {
				b.Error(err)
			}
		}
	})
}

// TestNobodyToRenewAt: it is tried again with pauses, warned about while there is
// time, and is well as soon as a manager is there.
func TestNobodyToRenewAt(t *testing.T) {
	const life = 90 * 24 * time.Hour
	inBubble(t, 0, func(b *bubble) {
		b.failing(errors.New("no manager answers"))
		time.Sleep(life * 8 / 10)
		early := b.log.take()
		if strings.Contains(early, "level=WARN") || !strings.Contains(early, "no manager answers") {
			b.Errorf("said early: %.300s", early)
		}
		time.Sleep(24 * time.Hour)
		if said := b.id.Trouble(); said != "its certificate was not renewed yet: no manager answers" {
			b.Errorf("what keeps it: %q", said)
		}
		if late := b.log.take(); strings.Count(late, "level=WARN") < 23 || strings.Count(late, "level=WARN") > 25 {
			b.Errorf("%d warnings in a day", strings.Count(late, "level=WARN"))
		}
		b.failing(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(b.renewed) != 1 || b.id.Trouble() != "" {
			b.Errorf("renewed %d times, and what keeps it: %q", len(b.renewed), b.id.Trouble())
		}
	})
}

func TestRunOutUnderARunningNode(t *testing.T) {
	inBubble(t, time.Hour, func(b *bubble) {
		b.failing(errors.New("no manager answers"))
		time.Sleep(2 * time.Hour)
		if said := b.log.take(); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "swarmgit node readmit") {
			b.Errorf("said: %.300s", said)
		}
		if _, err := identity.Load(b.at("n1")); !errors.Is(err, identity.ErrExpired) {
			b.Errorf("loaded with %v", err)
		}
		b.failing(nil) // the manager of this very process leads
		<-b.renewed
		if _, err := identity.Load(b.at("n1")); err != nil {
			b.Error(err)
		}
	})
}

// TestToldToRenewWhileNobodyAnswers: what was told is done once somebody does,
// and is done once.
func TestToldToRenewWhileNobodyAnswers(t *testing.T) {
	inBubble(t, 0, func(b *bubble) {
		b.failing(errors.New("no manager answers"))
		b.id.Expect("", "another")
		synctest.Wait()
		if said := b.id.Trouble(); said != "" {
			b.Errorf("one failure is a trouble: %s", said)
		}
		b.failing(nil)
		b.id.Expect("", b.id.Certificate().Issuer)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(b.renewed) != 1 {
			b.Errorf("renewed %d times", len(b.renewed))
		}
	})
}

// TestManagerSpeaksToANodeThatCouldNotRenew: a node that was cut off for long, and
// has long pauses between its tries by now, does what it is told when it is back. Its
// promotion, or a rotation, would else wait for an hour.
func TestManagerSpeaksToANodeThatCouldNotRenew(t *testing.T) {
	inBubble(t, 0, func(b *bubble) {
		b.failing(errors.New("no manager answers"))
		b.id.Expect("", "another")
		time.Sleep(24*time.Hour + time.Minute)
		b.failing(nil)
		b.id.Expect("", "another")
		synctest.Wait()
		if len(b.renewed) != 1 {
			b.Errorf("renewed %d times", len(b.renewed))
		}
	})
}

// TestPipeShowsTheCertificate: the managers see it as it is when a connection is
// opened, as they do by TLS.
func TestPipeShowsTheCertificate(t *testing.T) {
	inBubble(t, 0, func(b *bubble) {
		for range 2 {
			client := wire.NewClient(b.pipe.AsNode(b.id.Shown))
			if _, err := hello.Call(b.Context(), client, helloRequest{}); err != nil {
				b.Fatal(err)
			}
			client.Close()
			if b.seen != b.id.Certificate() || b.seen.Issuer == "" {
				b.Errorf("seen as %+v, it is %+v", b.seen, b.id.Certificate())
			}
			b.id.Expect("", "another")
			<-b.renewed
		}
	})
}
