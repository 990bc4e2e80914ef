package identity

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// A renewal that failed is tried again after renewPause, later less often, as
	// in Swarm.
	renewPause    = 5 * time.Second
	maxRenewPause = time.Hour
	// clockPause is how often the clock is looked at: timers stand still while a
	// machine sleeps, and do not see when its clock is put right.
	clockPause = 10 * time.Minute
)

// Renewal keeps an identity's certificate good.
type Renewal struct {
	Identity *Identity
	// Connect returns a client of any manager, with this node's certificate. The
	// renewal closes it. A manager that leads asks itself by a pipe, so that its
	// own certificate, run out while it was off, does not keep it out.
	Connect func(ctx context.Context) (*wire.Client, error)
	// Renewed is called when there is a new certificate, with who the node was
	// before. Connections that are open keep the old one: the session is to be
	// opened again, so that the managers see the new one.
	Renewed func(before wire.Identity)
	Log     *slog.Logger
}

// wish is what a manager has said that the certificate is to be.
type wish struct {
	role   specs.Role
	issuer specs.Hash
}

// Expect tells what a manager has said that the certificate is to be, see
// wire.Place; the empty values are no matter. If it is something else
// it is renewed at once.
func (i *Identity) Expect(role specs.Role, issuer specs.Hash) {
	i.mu.Lock()
	i.wish = wish{role, issuer}
	i.mu.Unlock()
	select {
	case i.wished <- struct{}{}:
	default:
	}
}

// wanting reports whether the certificate is not what a manager expects.
func (i *Identity) wanting() bool {
	is := i.Certificate()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.wish.role != "" && i.wish.role != is.Role || i.wish.issuer != "" && i.wish.issuer != is.Issuer
}

// Run renews the certificate at a random point of the second half of its life,
// and whenever a manager expects another one, until ctx ends.
func (r *Renewal) Run(ctx context.Context) error {
	for {
		if err := r.wait(ctx); err != nil {
			return nil
		}
		if err := r.insist(ctx); err != nil {
			return nil
		}
	}
}

// wait returns when it is time to renew.
func (r *Renewal) wait(ctx context.Context) error {
	at := renewAt(r.Identity.credentials.Certificate(), rand.Float64())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			if !time.Now().Before(at) {
				return nil
			}
		case <-r.Identity.wished:
			if r.Identity.wanting() {
				return nil
			}
		}
		timer.Reset(min(time.Until(at), clockPause))
	}
}

// renewAt is a point between 50 and 80 % of a certificate's life; luck in [0, 1)
// says which, so that nodes that joined together do not renew together.
func renewAt(cert *x509.Certificate, luck float64) time.Time {
	issued, life := lifeOf(cert)
	return issued.Add(time.Duration((0.5 + 0.3*luck) * float64(life)))
}

// lifeOf is when a certificate was issued, about, and how long it is good from
// then. Certificates begin in the past, short ones of an external authority by
// less than half of their life.
func lifeOf(cert *x509.Certificate) (issued time.Time, life time.Duration) {
	issued = cert.NotBefore.Add(min(wire.Backdate, cert.NotAfter.Sub(cert.NotBefore)/2))
	return issued, cert.NotAfter.Sub(issued)
}

// insist renews the certificate, however often it must try. It ends with ctx
// alone. When a manager speaks to this node, one is there again: then it is tried
// at once, and the pauses begin anew.
func (r *Renewal) insist(ctx context.Context) error {
	old := r.Identity.credentials.Certificate()
	_, life := lifeOf(old)
	for failures, pause := 1, renewPause; ; failures, pause = failures+1, min(2*pause, maxRenewPause, life/20) {
		before := r.Identity.credentials.Self()
		err := r.Identity.renew(ctx, r.ask)
		if err == nil {
			r.Identity.note("")
			r.Log.InfoContext(ctx, "renewed this node's certificate", "good_until", r.Identity.credentials.Certificate().NotAfter)
			r.Renewed(before)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.complain(ctx, old, err, pause)
		if failures > 1 { // the first may be that of a leader who has just gone
			r.Identity.note("its certificate was not renewed yet: " + strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		select {
		case <-time.After(pause):
		case <-r.Identity.wished:
			pause = renewPause / 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Trouble is why this node's certificate is not renewed although it is time; "" while
// nothing keeps it.
func (i *Identity) Trouble() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trouble
}

func (i *Identity) note(trouble string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trouble = trouble
}

// complain logs a renewal that failed: as a warning from late in the
// certificate's life on, as an error when it is over.
func (r *Renewal) complain(ctx context.Context, cert *x509.Certificate, err error, pause time.Duration) {
	issued, life := lifeOf(cert)
	log := r.Log.With("good_until", cert.NotAfter, "err", err, "next", pause)
	switch now := time.Now(); {
	case now.After(cert.NotAfter):
		log.ErrorContext(ctx, "this node's certificate has run out", "do", `run "swarmgit node readmit" on a manager`)
	case now.After(issued.Add(life / 10 * 8)):
		log.WarnContext(ctx, "this node's certificate runs out soon and was not renewed")
	default:
		log.InfoContext(ctx, "this node's certificate was not renewed yet")
	}
}

// ask sends a request to a manager, and to the leader if that is another one.
func (r *Renewal) ask(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
	client, err := r.Connect(ctx)
	if err != nil {
		return wire.CertifyReply{}, err
	}
	defer client.Close()
	request := wire.CertifyRequest{CSR: csr}
	reply, err := certify(ctx, client, request)
	if err != nil || reply.Leader == "" {
		return reply, err
	}
	return follow(reply.Leader, func(addr string) (wire.CertifyReply, error) {
		client := r.Identity.credentials.Client(addr)
		defer client.Close()
		return certify(ctx, client, request)
	})
}

// renew replaces the certificate by one that ask gets, on disk and then for all
// connections from now on.
func (i *Identity) renew(ctx context.Context, ask Ask) error {
	self := i.credentials.Self()
	f, err := obtain(ctx, i.dir, ask)
	if err != nil {
		return err
	}
	next, err := f.identity(i.dir)
	if err != nil {
		return fmt.Errorf("the certificate that was given to this node: %w", err)
	}
	if got := next.credentials.Self(); got.NodeID != self.NodeID || got.ClusterID != self.ClusterID {
		return fmt.Errorf("the certificate that was given to this node is for node %s of cluster %s", got.NodeID, got.ClusterID)
	}
	if err := f.write(i.dir); err != nil {
		return fmt.Errorf("keep this node's identity: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pair, i.chain, i.roots = next.pair, next.chain, next.roots
	return i.credentials.Renew(i.pair, i.roots)
}
