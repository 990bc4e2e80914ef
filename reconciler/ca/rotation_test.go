package ca

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// TestRotationProperties turns a small cluster's root over and over, while nodes
// come, go, and renew when they are told to. Each look is that of a new leader.
func TestRotationProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(1, 3).Draw(t, "nodes"))
		one := func(t *rapid.T, of func(*machine) bool) string {
			var ids []string
			for id, n := range w.nodes {
				if of(n) {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				t.Skip("there is no such node")
			}
			slices.Sort(ids)
			return rapid.SampledFrom(ids).Draw(t, "node")
		}
		any := func(*machine) bool { return true }
		up := func(n *machine) bool { return n.row.Seen.Status == specs.NodeReady }
		toRenew := func(n *machine) bool { return up(n) && n.told != "" && n.told != n.issuer() }
		t.Repeat(map[string]func(*rapid.T){
			"rotate": func(*rapid.T) { w.rotate(w.root()) },
			"abort":  func(*rapid.T) { w.rotate(w.a.Root) },
			"look": func(t *rapid.T) {
				before := w.a
				w.step()
				onlyTheEndChangesTokens(t, before, w.a)
			},
			"renew":      func(t *rapid.T) { w.renew(one(t, toRenew)) }, // a second "renew" has it renew before it is seen
			"connect":    func(t *rapid.T) { w.connect(one(t, any)) },
			"disconnect": func(t *rapid.T) { w.nodes[one(t, up)].row.Seen.Status = specs.NodeDown },
			"join": func(t *rapid.T) {
				if len(w.nodes) >= 4 {
					t.Skip("enough")
				}
				w.join()
			},
			"remove": func(t *rapid.T) { delete(w.nodes, one(t, any)) },
			"wait":   func(*rapid.T) { w.now = w.now.Add(tellPause) },
			"": func(t *rapid.T) {
				nodesMeet(t, w)
				newMachinesBelieveNodes(t, w)
			},
		})
		settles(t, w)
	})
}

// nodesMeet: whatever was done so far, every two nodes believe each other.
func nodesMeet(t *rapid.T, w *world) {
	for one := range w.nodes {
		for other := range w.nodes {
			if err := w.meets(one, other); err != nil {
				t.Fatalf("%s does not believe %s: %v", one, other, err)
			}
		}
	}
}

// newMachinesBelieveNodes: the join token of the moment is good at every node.
func newMachinesBelieveNodes(t *rapid.T, w *world) {
	for id := range w.nodes {
		if err := w.lets(id); err != nil {
			t.Fatalf("a machine that joins does not believe %s: %v", id, err)
		}
	}
}

// onlyTheEndChangesTokens: join tokens change with the root, and with it alone.
func onlyTheEndChangesTokens(t *rapid.T, before, after specs.Authority) {
	turned := before.Root.Digest() != after.Root.Digest()
	if turned != (before.Worker != after.Worker) || turned != (before.Manager != after.Manager) {
		t.Fatal("the tokens changed without the root, or the root without them")
	}
	if turned && after.Root.Digest() != before.Rotation.To.Digest() {
		t.Fatal("the root is not the one that was rotated to last")
	}
}

// settles: once all nodes are there and do as they are told, the rotation ends,
// and nobody trusts or shows anything but the root.
func settles(t *rapid.T, w *world) {
	wanted := w.a.Root.Digest()
	if w.a.Rotation != nil {
		wanted = w.a.Rotation.To.Digest()
	}
	for range 4 {
		w.now = w.now.Add(tellPause)
		for id := range w.nodes {
			w.connect(id)
		}
		w.step()
		for id, n := range w.nodes {
			if n.told != "" && n.told != n.issuer() {
				w.renew(id)
			}
			w.connect(id)
		}
	}
	if w.a.Rotation != nil || w.a.Root.Digest() != wanted {
		t.Fatalf("it does not end: %s", progress(w.a, w.rows()))
	}
	for id, n := range w.nodes {
		if len(n.reply.Chain) != 1 || len(n.reply.Roots) != 1 || hashOf(n.reply.Roots[0]) != w.a.Issuer() {
			t.Fatalf("%s shows %d certificates and trusts %d roots", id, len(n.reply.Chain), len(n.reply.Roots))
		}
	}
	if s := w.step(); s.Write != nil || s.Tell != nil || !s.Wake.IsZero() {
		t.Fatalf("there is still something to do: %+v", s)
	}
}

// TestAbandonedNodesAreWaitedFor: a rotation ends neither without a node that is
// down nor without one that was never seen, and does once they are removed.
func TestAbandonedNodesAreWaitedFor(t *testing.T) {
	w := newWorld(t, 3)
	w.nodes["n2"].row.Seen.Status = specs.NodeDown
	w.join()
	w.rotate(w.root())
	w.step()
	for _, id := range []string{"n1", "n3"} {
		w.renew(id)
		w.connect(id)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.step()
	const want = "rotating the root certificate: 2 of 4 nodes renewed; waiting for n2 (down), n4 (never connected): start the daemons there, or remove the nodes (swarmgit node rm)"
	if got := progress(w.a, w.rows()).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	delete(w.nodes, "n2")
	delete(w.nodes, "n4")
	w.step()
	if got := progress(w.a, w.rows()).String(); got != "the root certificate is in place: 0 of 2 nodes renewed; waiting for n1, n3" {
		t.Error(got)
	}
}

func TestProgressNamesSome(t *testing.T) {
	for want, p := range map[string]Progress{
		"the root certificate is in place: 3 of 3 nodes renewed": {Nodes: 3, Renewed: 3},
		"rotating the root certificate: 0 of 7 nodes renewed; waiting for a, b, c, d, e and 2 more": {
			Rotating: true, Nodes: 7, Waiting: strings.Split("abcdefg", "")},
	} {
		if got := p.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestNodesAreToldInGroups: never more than tellAtOnce new ones in tellPause, and
// the leader wakes for the next ones.
func TestNodesAreToldInGroups(t *testing.T) {
	a := specs.Authority{Root: specs.RootCA{Cert: "new"}, Since: noon}
	var nodes []specs.Node
	for i := range 75 {
		nodes = append(nodes, specs.Node{ID: fmt.Sprintf("n%02d", i), Seen: specs.NodeSeen{Certificate: specs.NodeCertificate{Issuer: "old"}}})
	}
	for _, tc := range []struct {
		after time.Duration
		told  int
		wake  time.Duration
	}{
		{0, 30, tellPause}, {tellPause - 1, 30, tellPause}, {tellPause, 60, 2 * tellPause}, {2 * tellPause, 75, 0}, {time.Hour, 75, 0},
	} {
		s := next(a, nodes, noon.Add(tc.after), nil)
		var wake time.Duration
		if !s.Wake.IsZero() {
			wake = s.Wake.Sub(noon)
		}
		if len(s.Tell) != tc.told || wake != tc.wake {
			t.Errorf("after %s: %d are told, again after %s", tc.after, len(s.Tell), wake)
		}
	}
}

func TestRootsThatCannotBeRotatedTo(t *testing.T) {
	w := newWorld(t, 1)
	external := w.a
	external.Root.Key, external.External = "", []string{"https://ca"}
	twin := specs.RootCA{Cert: w.a.Root.Cert, Key: w.a.Root.Key}
	twin.Cert, _ = crossSign(w.a.Root, w.a.Root) // another certificate of the same key
	for name, tc := range map[string]struct {
		from specs.Authority
		to   specs.RootCA
		want string
	}{
		"from an external authority": {external, w.root(), "give the key of the present root first"},
		"the same key":               {w.a, twin, "rotating to it would change nothing"},
	} {
		if _, err := rotate(tc.from, tc.to, nil, noon); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSwitchingTheSignerOfOneRoot: between the managers and an external authority
// that have the same root there is nothing to renew.
func TestSwitchingTheSignerOfOneRoot(t *testing.T) {
	w := newWorld(t, 1)
	was := w.a
	out, err := rotate(w.a, specs.RootCA{Cert: w.a.Root.Cert}, []string{"https://ca"}, noon.Add(time.Hour))
	if err != nil || out.Issuer() != was.Issuer() || !out.Since.Equal(was.Since) || out.External == nil || out.Root.Key == "" {
		t.Errorf("to an external one: %+v, %v", out, err)
	}
	back, err := rotate(out, was.Root, nil, noon.Add(2*time.Hour))
	if diff := cmp.Diff(was, back); err != nil || diff != "" {
		t.Errorf("and back: %v\n%s", err, diff)
	}
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	w := newWorld(t, 2)
	w.a.CertExpiry = specs.Duration(time.Hour)
	w.connect("n2") // its certificate is good for 90 days
	w.a.Readmissions = map[string]specs.Readmission{"n1": {Until: noon.Add(time.Hour)}, "n2": {Until: noon.Add(time.Hour)}}
	w.a = *Removal(w.a, w.now, w.nodes["n2"].row)[0].Authority
	until := noon.Add(specs.DefaultCertExpiry + removalMargin)
	if diff := cmp.Diff(map[string]time.Time{"n2": until}, w.a.Removed); diff != "" || len(w.a.Readmissions) != 1 {
		t.Errorf("refused: %s, readmitted: %v", diff, slices.Collect(maps.Keys(w.a.Readmissions)))
	}
	for _, want := range []struct {
		at                    time.Time
		removed, readmissions int
	}{{noon.Add(time.Hour), 1, 0}, {until, 0, 0}} {
		s := w.step()
		if !s.Wake.Equal(want.at) {
			t.Errorf("wakes at %s, not %s", s.Wake, want.at)
		}
		w.now = s.Wake
		w.step()
		if len(w.a.Removed) != want.removed || len(w.a.Readmissions) != want.readmissions {
			t.Errorf("at %s: %+v", want.at, w.a)
		}
	}
	if s := w.step(); s.Write != nil || !s.Wake.IsZero() {
		t.Errorf("there is still something to do: %+v", s)
	}
}
