package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

// simStopTakes is the longest that a drawn image takes to stop.
const simStopTakes = 5 * time.Second

// simTree is what a simulated repository asks for: stack -> service -> how.
type simTree map[string]map[string]simService

// simService is one service of a stack file.
type simService struct {
	image       string
	global      bool // then replicas and maxPerNode do not count
	replicas    int
	parallelism int
	delay       int // seconds
	memory      string
	constraint  string
	maxPerNode  int
	env         int
	condition   string
	action      string
}

// files writes the tree down as a repository.
func (t simTree) files() fstest.MapFS {
	files := make(fstest.MapFS)
	for stack, services := range t {
		var text strings.Builder
		text.WriteString("services:\n")
		for _, name := range slices.Sorted(maps.Keys(services)) {
			services[name].write(&text, name)
		}
		files["stacks/"+stack+"/stack.yml"] = &fstest.MapFile{Data: []byte(text.String())}
	}
	return files
}

func (s simService) write(text *strings.Builder, name string) {
	line := func(indent int, format string, args ...any) {
		fmt.Fprintf(text, strings.Repeat("  ", indent)+format+"\n", args...)
	}
	line(1, "%s:", name)
	line(2, "image: %s", s.image)
	if s.env > 0 {
		line(2, "environment: [LEVEL=%d]", s.env)
	}
	line(2, "deploy:")
	if s.global {
		line(3, "mode: global")
		s.maxPerNode = 0
	} else {
		line(3, "replicas: %d", s.replicas)
	}
	line(3, "update_config: {parallelism: %d, delay: %ds%s}", s.parallelism, s.delay, s.action)
	if s.condition != "" {
		line(3, "restart_policy: {condition: %s}", s.condition)
	}
	if s.memory != "" {
		line(3, "resources: {reservations: {memory: %s}}", s.memory)
	}
	if s.constraint != "" || s.maxPerNode > 0 {
		line(3, "placement:")
	}
	if s.constraint != "" {
		line(4, "constraints: [%q]", s.constraint)
	}
	if s.maxPerNode > 0 {
		line(4, "max_replicas_per_node: %d", s.maxPerNode)
	}
}

// simDraw draws what a story is made of. A seed gives the same story again; how
// goroutines take turns within it is the scheduler's.
type simDraw struct {
	*rand.Rand
	scarce bool // services compete for the last room
	roomy  bool // nearly every task finds a node: one that does not is waited for
}

func newSimDraw(seed uint64) simDraw {
	return simDraw{Rand: rand.New(rand.NewPCG(seed, 0)), scarce: seed%3 == 0}
}

func (d simDraw) chance(percent int) bool { return d.IntN(100) < percent }

func (d simDraw) upTo(most time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(most) + 1)).Round(time.Millisecond)
}

func oneOf[T any](d simDraw, of ...T) T { return of[d.IntN(len(of))] }

// nodes draws one to four nodes; some are too small for what is asked of them.
func (d simDraw) nodes() []specs.NodeDescription {
	var nodes []specs.NodeDescription
	for range 1 + d.IntN(4) {
		nodes = append(nodes, simNodeOf(oneOf[specs.Bytes](d, 8<<30, 8<<30, 1<<20), oneOf(d, "ssd", "disk")))
	}
	return nodes
}

// some draws so many of them, in any order.
func some[T any](d simDraw, n int, of []T) []T {
	of = slices.Clone(of)
	d.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	return of[:n]
}

func simNodeOf(memory specs.Bytes, disk string) specs.NodeDescription {
	return specs.NodeDescription{
		OS: "linux", Arch: "amd64", Engine: "memory 1", Runtimes: []string{""},
		Resources:    specs.Resources{CPUs: 8e9, Memory: memory},
		EngineLabels: map[string]string{"disk": disk},
	}
}

// The images of a simulation, by what becomes of their tasks. The healthy ones
// take their time over everything, and one of them ignores its stop signal.
const (
	simMissing = "sim.example/missing:1" // cannot be prepared
	simCrash   = "sim.example/crash:1"   // ends at once with an error
	simShort   = "sim.example/short:1"   // ends before it is proven
	simUnable  = "sim.example/unable:1"  // has no such command
)

func simHealthy(version int) string { return fmt.Sprintf("sim.example/app:%d", version) }

const simVersions = 4

// images draws how the images behave.
func (d simDraw) images() map[string]executortest.Behaviour {
	images := map[string]executortest.Behaviour{
		simMissing: executortest.NoSuchImage(simMissing),
		simCrash:   executortest.Exits(10*time.Millisecond, 1),
		simShort:   executortest.Exits(3*time.Second, 0),
		simUnable:  {StartErr: "serve: no such command"},
	}
	for version := range simVersions {
		images[simHealthy(version)] = executortest.Behaviour{
			PrepareTakes: d.upTo(4 * time.Second), StartTakes: d.upTo(time.Second), StopTakes: d.upTo(simStopTakes),
			IgnoresStop: version == simVersions-1 && d.chance(30),
		}
	}
	return images
}

// edit draws the next tree from the present one: a service or a stack comes,
// goes or changes, perhaps several.
func (d simDraw) edit(present simTree) simTree {
	next := make(simTree)
	for stack, services := range present {
		next[stack] = maps.Clone(services)
	}
	for range 1 + d.IntN(3) {
		stack, name := oneOf(d, "blog", "shop"), oneOf(d, "api", "db", "web")
		service, exists := next[stack][name]
		switch {
		case exists && d.chance(20):
			if delete(next[stack], name); len(next[stack]) == 0 {
				delete(next, stack)
			}
			continue
		case exists:
			service = d.change(service)
		default:
			service = d.service()
		}
		if next[stack] == nil {
			next[stack] = make(map[string]simService)
		}
		next[stack][name] = service
	}
	return next
}

func (d simDraw) service() simService {
	constraint := oneOf(d, "", "", "", "engine.labels.disk == ssd", "node.hostname != n1", "node.labels.zone == mars")
	if d.roomy && d.chance(90) {
		constraint = oneOf(d, "", "node.hostname != n1", "node.labels.zone != mars")
	}
	return simService{
		image: simHealthy(d.IntN(simVersions)), global: d.chance(25), replicas: d.IntN(6), parallelism: d.IntN(3), delay: d.IntN(3),
		memory:     d.memory(),
		constraint: constraint,
		maxPerNode: oneOf(d, 0, 0, 0, 2),
	}
}

// memory draws a reservation that no service needs to compete for, unless the
// nodes are to be scarce.
func (d simDraw) memory() string {
	switch {
	case d.roomy && !d.chance(5):
		return oneOf(d, "", "16M")
	case d.scarce:
		return oneOf(d, "", "1G", "2G", "3G")
	}
	return oneOf(d, "", "", "16M", "64G")
}

func (d simDraw) change(s simService) simService {
	fresh := d.service()
	switch d.IntN(6) {
	case 0:
		s.global, s.replicas = fresh.global, fresh.replicas
	case 1:
		s.env++
	case 2:
		s.constraint = fresh.constraint
	case 3:
		s.memory = fresh.memory
	case 4:
		s.parallelism, s.maxPerNode = fresh.parallelism, fresh.maxPerNode
	default:
		s.image = fresh.image
	}
	return s
}

// spoil makes one service of the tree such that its tasks fail.
func (d simDraw) spoil(tree simTree) (simTree, bool) {
	spoiled := d.edit(tree)
	for _, stack := range slices.Sorted(maps.Keys(spoiled)) {
		for _, name := range slices.Sorted(maps.Keys(spoiled[stack])) {
			s := spoiled[stack][name]
			if s.replicas == 0 && !s.global || s.memory == "64G" || s.constraint != "" {
				continue
			}
			s.image = oneOf(d, simMissing, simCrash, simShort, simUnable)
			s.condition = oneOf(d, "", "on-failure", "none")
			s.action = oneOf(d, "", "", ", failure_action: continue")
			spoiled[stack][name] = s
			return spoiled, true
		}
	}
	return tree, false
}
