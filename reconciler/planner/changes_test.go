package planner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// told lists a transaction in short words, so that tests read as stories.
func told(tx specs.Transaction) []string {
	var lines []string
	for _, c := range tx {
		switch {
		case c.TaskSpec != nil:
			lines = append(lines, "spec "+c.TaskSpec.Image)
		case c.Service != nil:
			lines = append(lines, "create "+c.Service.Value.Spec.Name)
		case c.Spec != nil && c.Spec.Value.Removed:
			lines = append(lines, "remove "+c.Spec.Value.Spec.Name)
		case c.Spec != nil:
			lines = append(lines, "change "+c.Spec.Value.Spec.Name)
		case c.Stack != nil && c.Stack.Value == nil:
			lines = append(lines, "forget stack "+c.Stack.ID)
		case c.Stack != nil:
			lines = append(lines, fmt.Sprintf("stack %s of %s at %s", c.Stack.ID, c.Stack.Value.Source, c.Stack.Value.Revision))
		default:
			lines = append(lines, "something else")
		}
	}
	return lines
}

func TestChanges(t *testing.T) {
	shop := stack("shop", svc("web", replicas(3)), svc("api"))
	base := stack("base", svc("db"))
	for _, c := range []struct {
		name   string
		wanted []specs.Stack
		want   []string
	}{
		{"the same again", []specs.Stack{shop, base}, nil},
		{"in another order", []specs.Stack{base, shop}, nil},
		{"rules only", []specs.Stack{base, stack("shop", svc("web", replicas(4)), svc("api"))},
			[]string{"change shop_web", "stack shop of main at 2"}},
		{"a new image", []specs.Stack{base, stack("shop", svc("web", replicas(3), image("web:2")), svc("api"))},
			[]string{"spec web:2", "change shop_web", "stack shop of main at 2"}},
		{"a new service", []specs.Stack{base, stack("shop", svc("web", replicas(3)), svc("api"), svc("cron"))},
			[]string{"spec registry.example/cron:1", "create shop_cron", "stack shop of main at 2"}},
		{"a service less", []specs.Stack{base, stack("shop", svc("api"))},
			[]string{"remove shop_web", "stack shop of main at 2"}},
		{"no service left", []specs.Stack{shop, stack("base")},
			[]string{"remove base_db", "stack base of main at 2"}},
		{"a stack less", []specs.Stack{shop}, []string{"remove base_db", "forget stack base"}},
		{"a new stack", []specs.Stack{shop, base, stack("edge", svc("proxy"))},
			[]string{"spec registry.example/proxy:1", "create edge_proxy", "stack edge of main at 2"}},
		{"an empty new stack", []specs.Stack{shop, base, stack("edge")}, []string{"stack edge of main at 2"}},
		{"nothing wanted", nil, []string{
			"remove base_db", "remove shop_api", "remove shop_web", "forget stack base", "forget stack shop",
		}},
	} {
		w := newWorld(t, 2)
		w.push(shop, base)
		tx, refused := Changes(w.snap, specs.MainSource, "2", c.wanted, w.newID, epoch)
		if diff := cmp.Diff(c.want, told(tx)); diff != "" || len(refused) > 0 {
			t.Errorf("%s (-want +got):\n%s refused: %v", c.name, diff, refused)
			continue
		}
		w.apply(tx)
	}
}

func TestNilAndEmptyAreTheSameSpec(t *testing.T) {
	w := newWorld(t, 1)
	w.push(stack("shop", svc("web")))
	again := stack("shop", svc("web"))
	again.Services[0].Labels = map[string]string{}
	tx, _ := Changes(w.snap, specs.MainSource, "2", []specs.Stack{again}, w.newID, epoch)
	if len(tx) > 0 {
		t.Errorf("changes %v, want none", told(tx))
	}
}

// A service that is on its way out and is wanted again comes back in its row.
func TestRemovedServiceComesBack(t *testing.T) {
	w := newWorld(t, 1)
	shop := stack("shop", svc("web"))
	w.push(shop)
	before, _ := w.snap.ServiceNamed("shop_web")
	gone, _ := Changes(w.snap, specs.MainSource, "2", nil, w.newID, epoch)
	w.apply(gone)
	back, _ := Changes(w.snap, specs.MainSource, "3", []specs.Stack{shop}, w.newID, epoch)
	if diff := cmp.Diff([]string{"change shop_web", "stack shop of main at 3"}, told(back)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	w.apply(back)
	after, _ := w.snap.ServiceNamed("shop_web")
	if after.ID != before.ID || after.Removed {
		t.Errorf("service %s removed %v, want %s back", after.ID, after.Removed, before.ID)
	}
}

func TestOwnership(t *testing.T) {
	for _, c := range []struct {
		name   string
		wanted []specs.Stack
		want   string // of the first refusal
		tx     []string
	}{
		{"a stack of another source", []specs.Stack{stack("shop", svc("web"))},
			`stacks/shop/stack.yml: stack shop belongs to the source "main": remove it there first, or take it over: swarmgit source adopt shop --source infra`, nil},
		{"a stack defined twice", []specs.Stack{stack("edge"), stack("edge", svc("web"))},
			"stacks/edge/stack.yml: stack edge is defined twice: keep one of the two", []string{"stack edge of infra at 2"}},
		{"a name of another source", []specs.Stack{stack("SHOP", svc("web"))},
			`stacks/SHOP/stack.yml:3:5: services.web: the service name SHOP_web is taken by stack shop of the source "main": rename one of them`,
			[]string{"stack SHOP of infra at 2"}},
		{"one name in two stacks", []specs.Stack{stack("a", svc("b_c")), stack("a_b", svc("c"))},
			"stacks/a_b/stack.yml:3:5: services.c: the service name a_b_c is taken by stack a: rename one of them",
			[]string{"spec registry.example/b_c:1", "create a_b_c", "stack a of infra at 2", "stack a_b of infra at 2"}},
	} {
		w := newWorld(t, 1)
		w.push(stack("shop", svc("web")))
		tx, refused := Changes(w.snap, "infra", "2", c.wanted, w.newID, epoch)
		if len(refused) != 1 || refused[0].String() != c.want {
			t.Errorf("%s: refused %v, want %s", c.name, refused, c.want)
		}
		if diff := cmp.Diff(c.tx, told(tx)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Another source wants none of the stacks of main, and removes none.
func TestSourceRemovesOnlyItsOwn(t *testing.T) {
	w := newWorld(t, 1)
	w.push(stack("shop", svc("web")))
	tx, _ := Changes(w.snap, "infra", "2", []specs.Stack{stack("edge", svc("proxy"))}, w.newID, epoch)
	if i := slices.IndexFunc(told(tx), func(s string) bool { return strings.Contains(s, "shop") }); i >= 0 {
		t.Errorf("infra does to main's stack: %s", told(tx)[i])
	}
}

// A service may move to another stack of the source under the same name.
func TestServiceMovesBetweenStacks(t *testing.T) {
	w := newWorld(t, 1)
	w.push(stack("a", svc("b_c")))
	moved := stack("a_b", svc("c", image("registry.example/b_c:1")))
	tx, refused := Changes(w.snap, specs.MainSource, "2", []specs.Stack{moved}, w.newID, epoch)
	if diff := cmp.Diff([]string{"change a_b_c", "stack a_b of main at 2", "forget stack a"}, told(tx)); diff != "" || len(refused) > 0 {
		t.Errorf("-want +got:\n%s refused: %v", diff, refused)
	}
	w.apply(tx)
}

// New services are made in the order of their names whatever their IDs.
func TestIDsAscendWithNames(t *testing.T) {
	w := newWorld(t, 1)
	ids := []string{"c", "a", "b"}
	draw := func() string { id := ids[0]; ids = ids[1:]; return id }
	tx, _ := Changes(w.snap, specs.MainSource, "1",
		[]specs.Stack{stack("x", svc("2"), svc("1")), stack("w", svc("9"))}, draw, epoch)
	var got []string
	for _, c := range tx {
		if c.Service != nil {
			got = append(got, c.Service.ID+" "+c.Service.Value.Spec.Name)
		}
	}
	if diff := cmp.Diff([]string{"a w_9", "b x_1", "c x_2"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
