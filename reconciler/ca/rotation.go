package ca

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

const (
	// tellAtOnce nodes are told to renew their certificate every tellPause, as in
	// Swarm: a manager signs thousands in a second, and need not do it at once
	// beside its work.
	tellAtOnce = 30
	tellPause  = 3 * time.Second
)

// rotate begins to lead the cluster to another root. One that is under way is
// replaced; the present root as the aim ends it. Where the external authority
// of the present root changes alone there is nothing to lead to.
func rotate(a specs.Authority, to specs.RootCA, external []string, now time.Time) (specs.Authority, error) {
	issuer := a.Issuer()
	if to.Digest() == a.Root.Digest() {
		if to.Key == "" {
			to.Key = a.Root.Key
		}
		a.Root.Key, a.External, a.Rotation = to.Key, external, nil
	} else {
		if a.Root.Key == "" {
			return a, errors.New("the key of the present root is an external authority's, so the managers cannot sign the new root with it: " +
				"give the key of the present root first (--ca-cert and --ca-key of it)")
		}
		if sameKey(a.Root, to) {
			return a, errors.New("the new root has the key of the present one: rotating to it would change nothing")
		}
		crossSigned, err := crossSign(a.Root, to)
		if err != nil {
			return a, err
		}
		a.Rotation = &specs.Rotation{To: to, External: external, CrossSigned: crossSigned}
	}
	if a.Issuer() != issuer {
		a.Since = now
	}
	return a, nil
}

// step is what is to be done by now.
type step struct {
	Write *specs.Authority // the row as it is to be, nil if it stays
	Tell  []string         // nodes that are to renew their certificate
	Wake  time.Time        // when to look again although nothing changes; zero is never
}

// next says what comes next for an authority and its nodes, which are sorted by
// ID. It asks for new secrets when it ends a rotation.
func next(a specs.Authority, nodes []specs.Node, now time.Time, secret func() specs.Hidden) step {
	write := prune(&a, now)
	if a.Rotation != nil && len(behind(a, nodes)) == 0 {
		a, write = finish(a, now, secret), true
	}
	if write {
		return step{Write: &a} // who is to be told is seen once it is written
	}
	s, issuer := step{Wake: firstEnd(a)}, a.Issuer()
	for rank, node := range nodes {
		if !toRenew(node, issuer) {
			continue
		}
		if at := a.Since.Add(time.Duration(rank/tellAtOnce) * tellPause); at.After(now) {
			s.Wake = earlier(s.Wake, at)
			break
		}
		s.Tell = append(s.Tell, node.ID)
	}
	return s
}

// toRenew reports whether a node has a certificate of another issuer. One that was
// never here has none yet that is known.
func toRenew(n specs.Node, issuer specs.Hash) bool {
	return n.Seen.Certificate.Issuer != issuer && n.Seen.Certificate.Issuer != ""
}

// behind are the nodes that a rotation waits for: whose certificate, as it was
// last seen, does not come from the new root. One that was never seen may have
// its certificate from before.
func behind(a specs.Authority, nodes []specs.Node) []specs.Node {
	issuer := a.Issuer()
	return slices.DeleteFunc(slices.Clone(nodes), func(n specs.Node) bool { return n.Seen.Certificate.Issuer == issuer })
}

// finish makes the new root the root. All nodes trust it by now; what leads from
// the old one to it is not signed with any more, so that they all renew once
// more and forget the old one too.
func finish(a specs.Authority, now time.Time, secret func() specs.Hidden) specs.Authority {
	a.Root, a.External, a.Rotation, a.Since = a.Rotation.To, a.Rotation.External, nil, now
	a.Worker, a.Manager = secret(), secret()
	return a
}

// Progress is how far a rotation is.
type Progress struct {
	Rotating bool
	Nodes    int      // of the cluster
	Renewed  int      // that have a certificate as it is to be
	Waiting  []string // the others: "n5 (down)"
	Held     bool     // none of those is there: somebody has to do something
}

func progress(a specs.Authority, nodes []specs.Node) Progress {
	p := Progress{Rotating: a.Rotation != nil, Nodes: len(nodes)}
	there := 0
	for _, node := range behind(a, nodes) {
		p.Waiting = append(p.Waiting, node.Name()+absence(node))
		if absence(node) == "" {
			there++
		}
	}
	p.Held = len(p.Waiting) > 0 && there == 0
	p.Renewed = p.Nodes - len(p.Waiting)
	return p
}

// Done reports whether no rotation is under way and no node has to renew.
func (p Progress) Done() bool { return !p.Rotating && len(p.Waiting) == 0 }

// maxNamed is how many nodes a line names before it counts.
const maxNamed = 5

// String is one line for people.
func (p Progress) String() string {
	what := "rotating the root certificate"
	if !p.Rotating {
		what = "the root certificate is in place"
	}
	line := fmt.Sprintf("%s: %d of %d nodes renewed", what, p.Renewed, p.Nodes)
	if len(p.Waiting) == 0 {
		return line
	}
	named := p.Waiting[:min(len(p.Waiting), maxNamed)]
	line += "; waiting for " + strings.Join(named, ", ")
	if more := len(p.Waiting) - len(named); more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	if p.Held {
		line += ": start the daemons there, or remove the nodes (swarmgit node rm)"
	}
	return line
}

// absence is why a node cannot have renewed, behind its name; "" of one that is there.
func absence(n specs.Node) string {
	switch {
	case n.Seen.Certificate.Issuer == "":
		return " (never connected)"
	case n.Seen.Status == specs.NodeDown:
		return " (down)"
	}
	return ""
}

// sameKey reports whether two roots sign with one key.
func sameKey(a, b specs.RootCA) bool {
	one, errA := parseCert(a.Cert)
	other, errB := parseCert(b.Cert)
	return errA == nil && errB == nil && bytes.Equal(one.RawSubjectPublicKeyInfo, other.RawSubjectPublicKeyInfo)
}
