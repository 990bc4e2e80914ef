package wire

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Standing asks a manager who leads, and whether a node was removed from the
// cluster. It is for nodes whose certificate may be refused, so they show none:
// it tells nothing that a refusal does not tell.
const Standing = Unary[StandingRequest, StandingReply]("/swarmgit.join/Standing")

// StandingRequest names the node that asks.
type StandingRequest struct {
	NodeID string `json:"node_id"`
}

// StandingReply is what one manager knows; it may be behind.
type StandingReply struct {
	Leader  string `json:"leader,omitempty"` // address of who leads; "" while nobody is known to
	Removed bool   `json:"removed,omitempty"`
}

// standingPatience is how long managers may take to answer: who asks waits with
// something for them, and some may be off.
const standingPatience = time.Second

// Standings asks the managers at addrs how this node stands. The answers are by
// address, of those that gave one in time and are of this cluster.
func (c *Credentials) Standings(ctx context.Context, addrs []string) map[string]StandingReply {
	ctx, cancel := context.WithTimeout(ctx, standingPatience)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	replies := map[string]StandingReply{}
	for _, addr := range addrs {
		asking.Go(func() {
			client := NewClient(func(ctx context.Context) (net.Conn, error) { return c.dial(ctx, addr, Calls, showNothing) })
			defer client.Close()
			reply, err := Standing.Call(ctx, client, StandingRequest{NodeID: c.Self().NodeID})
			if err != nil {
				return // it is off, or of another cluster
			}
			mu.Lock()
			defer mu.Unlock()
			replies[addr] = reply
		})
	}
	asking.Wait()
	return replies
}

// showNothing is for who connects without a certificate.
func showNothing(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return new(tls.Certificate), nil
}
