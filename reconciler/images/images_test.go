package images

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// registry answers for what it has, and remembers what it was asked.
type registry struct {
	digests map[string]string

	mu    sync.Mutex
	asked []string
}

func (r *registry) lookup(_ context.Context, image string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, image)
	if digest, ok := r.digests[image]; ok {
		return digest, nil
	}
	return "", errors.New("the registry cannot be reached")
}

// shop is a stack with one service for each image, "a", "b" and so on.
func shop(services ...specs.ServiceSpec) specs.Stack {
	stack := specs.Stack{Name: "shop", Tasks: map[specs.Hash]specs.TaskSpec{}, Origins: specs.Origins{}}
	for i, service := range services {
		task := specs.TaskSpec{Image: service.Image}
		name := string(rune('a' + i))
		service.Name, service.Stack, service.Task = "shop_"+name, "shop", encoding.HashTaskSpec(task)
		stack.Services = append(stack.Services, service)
		stack.Tasks[service.Task] = task
		stack.Origins["services."+name+".image"] = specs.Position{File: "stack.yml", Line: i + 1, Column: 1}
	}
	return stack
}

// names are the images of a stack's services, as tasks have them.
func names(stack specs.Stack) (names []string) {
	for _, service := range stack.Services {
		names = append(names, stack.Tasks[service.Task].Image)
	}
	return names
}

// deployed is a cluster in which a stack runs.
func deployed(t *testing.T, stack specs.Stack) store.Snapshot {
	t.Helper()
	var tx specs.Transaction
	for _, task := range stack.Tasks {
		tx = append(tx, specs.Change{TaskSpec: &task})
	}
	for _, service := range stack.Services {
		tx = append(tx, specs.Change{Service: specs.Insert(service.Name, specs.Service{ID: service.Name, Spec: service})})
	}
	s := store.New()
	if errs := s.Apply(1, []specs.Transaction{tx}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return s.Snapshot()
}

func TestPin(t *testing.T) {
	reg := &registry{digests: map[string]string{"web:1": "sha256:one", "web:2": "sha256:two"}}
	pin := func(present store.Snapshot, images ...string) (Pinned, []string) {
		var services []specs.ServiceSpec
		for _, image := range images {
			services = append(services, specs.ServiceSpec{Image: image})
		}
		reg.asked = nil
		pinned := Pin(t.Context(), present, []specs.Stack{shop(services...)}, reg.lookup)
		slices.Sort(reg.asked)
		return pinned, reg.asked
	}
	fixed := "web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	first, asked := pin(store.New().Snapshot(), "web:1", "web:1", "db:1", fixed, "")
	if diff := cmp.Diff([]string{"web:1@sha256:one", "web:1@sha256:one", "db:1", fixed, ""}, names(first.Stacks[0])); diff != "" {
		t.Error("images of a new stack: ", diff)
	}
	if diff := cmp.Diff([]string{"db:1", "web:1"}, asked); diff != "" {
		t.Error("a registry is asked once for each image: ", diff)
	}
	if len(first.Problems) != 0 || len(first.Warnings) != 1 || first.Warnings[0].String() !=
		"stack.yml:3:1: services.c.image: db:1 goes by its tag: each node runs what it has or gets under it; the registry cannot be reached" {
		t.Errorf("warnings %v, problems %v", first.Warnings, first.Problems)
	}

	// The tags move, and another service changes.
	reg.digests = map[string]string{"web:1": "sha256:moved", "db:1": "sha256:there", "web:2": "sha256:two"}
	again, asked := pin(deployed(t, first.Stacks[0]), "web:1", "web:2", "db:1", fixed, "")
	if diff := cmp.Diff([]string{"web:1@sha256:one", "web:2@sha256:two", "db:1", fixed, ""}, names(again.Stacks[0])); diff != "" {
		t.Error("images of a changed stack: ", diff)
	}
	if len(again.Warnings) != 0 || !slices.Equal(asked, []string{"web:2"}) {
		t.Errorf("asked %q, warnings %v", asked, again.Warnings)
	}
	same, _ := pin(deployed(t, first.Stacks[0]), "web:1", "web:1", "db:1", fixed, "")
	if diff := cmp.Diff(first.Stacks, same.Stacks); diff != "" {
		t.Error("the same stack has other tasks: ", diff)
	}
}

func TestRequireDigest(t *testing.T) {
	reg := &registry{}
	stack := shop(specs.ServiceSpec{Image: "web:1", RequireDigest: true})
	refused := Pin(t.Context(), store.New().Snapshot(), []specs.Stack{stack}, reg.lookup)
	if len(refused.Warnings) != 0 || len(refused.Problems) != 1 || refused.Problems[0].String() !=
		"stack.yml:1:1: services.a.image: web:1 has no digest, which the service requires: the registry cannot be reached" {
		t.Errorf("warnings %v, problems %v", refused.Warnings, refused.Problems)
	}
	// A service that goes by its tag since before is asked for again.
	byTag := deployed(t, shop(specs.ServiceSpec{Image: "web:1"}))
	reg.digests = map[string]string{"web:1": "sha256:one"}
	pinned := Pin(t.Context(), byTag, []specs.Stack{stack}, reg.lookup)
	if got := names(pinned.Stacks[0]); len(pinned.Problems) != 0 || got[0] != "web:1@sha256:one" {
		t.Errorf("%q, problems %v", got, pinned.Problems)
	}
}

// Asking again is not kept from the registry by the digest that there is, and says
// why there is nothing to ask.
func TestAsk(t *testing.T) {
	r := &registry{digests: map[string]string{"web:1": "sha256:2"}}
	for _, c := range []struct {
		image  string
		lookup Lookup
		want   string
		words  string
	}{
		{"web:1", r.lookup, "web:1@sha256:2", ""},
		{"web:2", r.lookup, "", "web:2: the registry cannot be reached"},
		{"web:1@sha256:" + strings.Repeat("a", 64), r.lookup, "", "names the content itself"},
		{"", r.lookup, "", "the service has no image"},
		{"web:1", nil, "", "asks no registries"},
	} {
		got, err := Ask(t.Context(), specs.ServiceSpec{Image: c.image}, c.lookup)
		if got != c.want || (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%q: %q, %v", c.image, got, err)
		}
	}
	if diff := cmp.Diff([]string{"web:1", "web:2"}, r.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// Who may only view has no registry asked that the cluster has nothing to do with,
// and is told so, also of an image that needs its digest.
func TestAmong(t *testing.T) {
	reg := &registry{digests: map[string]string{}}
	for _, image := range []string{"ours.example/b", "login.example/c", "127.0.0.1:9/d"} {
		reg.digests[image] = "sha256:1"
	}
	present := deployed(t, shop(specs.ServiceSpec{Image: "ours.example/a"}))
	draft := present.Draft(present.Index() + 1)
	if err := draft.Apply(specs.Transaction{{Cluster: &specs.Cluster{ID: "c", Registries: []specs.Registry{{Host: "login.example"}}}}}); err != nil {
		t.Fatal(err)
	}
	present = draft.Frozen()
	wanted := shop(specs.ServiceSpec{Image: "ours.example/b"}, specs.ServiceSpec{Image: "login.example/c"},
		specs.ServiceSpec{Image: "127.0.0.1:9/d", RequireDigest: true}, specs.ServiceSpec{Image: "nginx"})
	got := Pin(t.Context(), present, []specs.Stack{wanted}, Among(present, reg.lookup))
	slices.Sort(reg.asked)
	if diff := cmp.Diff([]string{"login.example/c", "ours.example/b"}, reg.asked); diff != "" {
		t.Errorf("asked: %s", diff)
	}
	if len(got.Problems) > 0 || len(got.Warnings) != 2 || !strings.HasPrefix(got.Warnings[0].Message,
		"127.0.0.1:9/d: digest not looked up: no service and no login of the cluster is of the registry 127.0.0.1:9") {
		t.Errorf("problems %v, warnings %v", got.Problems, got.Warnings)
	}
	if Among(present, nil) != nil {
		t.Error("registries can be asked where none can")
	}
}
