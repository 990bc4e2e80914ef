package main

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/consensus"
	remote "github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// TestSimulatedManagers tells stories of three or five managers, whose links
// break and who die; see TestSimulatedCluster.
func TestSimulatedManagers(t *testing.T) { simulate(t, 40, newSimManagersStory) }

func newSimManagersStory(t *testing.T, seed uint64) *simStory {
	draw := newSimDraw(seed)
	draw.roomy = true
	managers := oneOf(draw, 3, 3, 3, 5)
	var nodes []specs.NodeDescription
	for range managers + draw.IntN(3) {
		nodes = append(nodes, simNodeOf(8<<30, oneOf(draw, "ssd", "disk")))
	}
	return beginSimStory(newSimCluster(t, managers, nodes...), draw, 4)
}

// links are those between some machines and all others, out of and into them.
func (c *simCluster) links(some ...*simNode) (out, in []simLink) {
	for _, n := range some {
		for _, other := range c.nodes {
			if !slices.Contains(some, other) {
				out = append(out, simLink{n.id, other.id})
				in = append(in, simLink{other.id, n.id})
			}
		}
	}
	return out, in
}

// minority draws as many managers as the others can do without.
func (s *simStory) minority() []*simNode {
	all := s.managers()
	return some(s.draw, (len(all)-1)/2, all)
}

// managerTrouble is what the managers may have without any effect on what runs,
// nor on what is known of the nodes, if it does not last longer than unnoticed.
func (s *simStory) managerTrouble(lasts time.Duration) {
	s.Helper()
	s.awaitLeader()
	leading := s.leading()
	if s.draw.chance(30) {
		s.jump(oneOf(s.draw, s.managers()...))
	}
	out, in := s.links(leading)
	switch s.draw.IntN(11) {
	case 0:
		s.restartMachines(lasts, leading)
	case 1:
		s.restartMachines(lasts, s.minority()...)
	case 2:
		s.restartMachines(lasts, s.managers()...)
	case 3:
		s.cutFor(lasts, append(out, in...)...)
	case 4:
		s.cutFor(lasts, oneOf(s.draw, out, in)...)
	case 5:
		out, in := s.links(s.minority()...)
		s.cutFor(lasts, append(out, in...)...)
	case 6:
		two := some(s.draw, 2, s.nodes)
		s.cutFor(lasts, simLink{two[0].id, two[1].id})
	case 7:
		release := leading.memory.Hang()
		time.Sleep(lasts)
		release()
	case 8:
		leading.memory.Fill(true)
		time.Sleep(lasts)
		leading.memory.Fill(false)
	case 9: // in order, and its agent goes on
		leading.retire()
		time.Sleep(lasts)
		leading.manage(nil)
	default:
		wiped := oneOf(s.draw, s.managers()...)
		wiped.kill()
		wiped.memory = consensus.NewMemory()
		time.Sleep(lasts)
		wiped.boot(true)
	}
	s.awaitManagers()
}

// jump has a manager's wall clock be up to a day and a half late or ahead from now
// on. Once all managers have been down it may be the cluster's.
func (s *simStory) jump(n *simNode) {
	n.skew.Store(int64(s.draw.upTo(72*time.Hour) - 36*time.Hour))
}

// restartMachines kills daemons at once and starts them one after the other.
func (s *simStory) restartMachines(away time.Duration, machines ...*simNode) {
	began := time.Now()
	for _, n := range machines {
		s.network.die(n.id) // before any of them could tell another
	}
	var all sync.WaitGroup
	for _, n := range machines {
		all.Go(n.kill)
	}
	all.Wait()
	time.Sleep(time.Until(began.Add(away - unnoticed)))
	for _, n := range machines {
		time.Sleep(s.draw.upTo(max(time.Until(began.Add(away)), 0)))
		n.boot(true)
	}
}

func (s *simStory) cutFor(lasts time.Duration, links ...simLink) {
	s.network.cutLinks(links...)
	time.Sleep(lasts)
	s.network.heal()
}

// shaken pushes again and again, while the managers have one trouble after the
// other.
func (s *simStory) shaken() {
	nodes := s.nodeTimes()
	var trees []simTree
	for range 3 {
		s.tree = s.draw.edit(s.tree)
		trees = append(trees, s.tree)
	}
	pushed := make(chan simPush, 1)
	go func() {
		var last simPush
		for _, tree := range trees {
			last = s.pushInTrouble(tree)
			time.Sleep(3 * time.Second)
		}
		pushed <- last
	}()
	for range 1 + s.draw.IntN(3) {
		time.Sleep(s.draw.upTo(3 * time.Second))
		s.managerTrouble(s.draw.upTo(unnoticed))
	}
	s.wantEnded(s.settle(<-pushed))
	s.wantConverged()
	s.wantReadySince(nodes)
}

// pushInTrouble pushes until that is acknowledged. Who was not told what became
// of a push fetches, and pushes again over what is there.
func (s *simStory) pushInTrouble(tree simTree) simPush {
	for range 600 {
		p, _, err := s.tryPush(tree.files(), remote.OptionAllowRemoval)
		switch {
		case err == nil:
			return p
		case errors.Is(err, remote.ErrConflict), errors.Is(err, remote.ErrOutcomeUnknown):
			time.Sleep(time.Second) // until one that was cut off has noticed
			if s.leader() != nil {
				s.head = s.main()
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.Error("a push was not acknowledged in minutes")
	return simPush{}
}

// left pushes nothing while the managers have troubles: the tasks that run are
// the same ones after them. All managers may be gone for a minute.
func (s *simStory) left() {
	s.rest()
	before, nodes := s.running(), s.nodeTimes()
	if s.draw.chance(30) {
		s.restartMachines(time.Minute, s.managers()...)
		s.awaitManagers()
	}
	for range 2 {
		s.managerTrouble(s.draw.upTo(unnoticed))
		time.Sleep(s.draw.upTo(10 * time.Second))
	}
	s.rest()
	if diff := cmp.Diff(before, s.running()); diff != "" {
		s.Errorf("tasks before and after the troubles of managers: %s", diff)
	}
	s.wantReadySince(nodes)
}

// lost cuts off machines for so long that the others have to do without them:
// a worker, or a minority of the managers.
func (s *simStory) lost() {
	away := s.minority()
	if workers := s.workers(); len(workers) > 0 && s.draw.chance(50) {
		away = some(s.draw, 1, workers)
	}
	nodes := s.nodeTimes()
	for _, n := range away {
		delete(nodes, n.id)
	}
	s.setLost(away...)
	out, in := s.links(away...)
	s.network.cutLinks(oneOf(s.draw, append(slices.Clone(out), in...), out, in)...)
	s.tree = s.draw.edit(s.tree)
	time.Sleep(s.draw.upTo(40 * time.Second))
	p := s.pushInTrouble(s.tree)
	time.Sleep(s.draw.upTo(40 * time.Second))
	s.network.heal()
	s.awaitManagers()
	s.awaitReady()
	s.wantEnded(s.settle(p))
	s.rest()
	s.setLost()
	s.wantConverged()
	s.wantReadySince(nodes)
}

// workers are the machines without a manager.
func (s *simStory) workers() []*simNode {
	return slices.DeleteFunc(slices.Clone(s.nodes), func(n *simNode) bool { return n.managing() != nil })
}

// wantReadySince: these nodes were what they are since they were seen so.
func (s *simStory) wantReadySince(nodes map[string]string) {
	s.Helper()
	now := s.nodeTimes()
	maps.DeleteFunc(now, func(id, _ string) bool { return nodes[id] == "" })
	if diff := cmp.Diff(nodes, now); diff != "" {
		s.Errorf("nodes were not ready all the time: %s", diff)
	}
}

// ordered changes what is wanted of a node.
func (s *simStory) ordered() {
	n := oneOf(s.draw, s.nodes...)
	update := api.UpdateNodeRequest{Name: n.id}
	row, _ := s.snapshot().Node(n.id)
	switch _, labelled := row.Spec.Labels["zone"]; {
	case s.draw.chance(60):
		update.Availability = oneOf(s.draw, specs.Active, specs.Active, specs.Pause, specs.Drain)
	case labelled:
		update.LabelRemove = []string{"zone"}
	default:
		update.LabelAdd = map[string]string{"zone": "mars"}
	}
	s.order(oneOf(s.draw, s.managers()...), update)
	if s.draw.chance(50) {
		s.managerTrouble(s.draw.upTo(unnoticed))
	}
	s.rest()
	if row, _ = s.snapshot().Node(n.id); row.Spec.Availability == specs.Drain && len(n.running()) > 0 {
		s.Errorf("node %s is drained and runs %v", n.id, n.running())
	}
	s.wantConverged()
}

// appointed makes a node a manager, or a manager none.
func (s *simStory) appointed() {
	before := s.running()
	managers, workers := s.managers(), s.workers()
	switch {
	case len(managers) >= 5 || len(managers) > 3 && s.draw.chance(50):
		s.demote(oneOf(s.draw, managers...))
	case len(workers) > 0 && s.draw.chance(70):
		n := oneOf(s.draw, workers...)
		s.order(oneOf(s.draw, managers...), api.UpdateNodeRequest{Name: n.id, Role: specs.Manager})
		n.manage(nil)
	default:
		n := s.addMachine(simNodeOf(8<<30, oneOf(s.draw, "ssd", "disk")))
		s.admit(n, specs.Manager)
		n.start()
		n.manage(nil)
	}
	s.awaitManagers()
	s.awaitReady()
	s.rest()
	s.wantConverged()
	for slot, tasks := range before {
		if diff := cmp.Diff(tasks, s.running()[slot]); diff != "" {
			s.Errorf("%s before and after other managers: %s", slot, diff)
		}
	}
}

// demote makes a manager a worker. Its daemon then forgets what it knew.
func (s *simStory) demote(n *simNode) {
	s.order(oneOf(s.draw, s.managers()...), api.UpdateNodeRequest{Name: n.id, Role: specs.Worker})
	s.await("a demoted manager votes no more", func(store.Snapshot) bool {
		leader := s.leader()
		if leader == nil {
			return false
		}
		_, votes := leader.Managers()[n.id]
		return !votes
	})
	n.retire()
	n.memory = consensus.NewMemory()
}
