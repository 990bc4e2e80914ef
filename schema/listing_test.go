package schema

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// environments is a repository of two environments over one base.
func environments() fstest.MapFS {
	return fstest.MapFS{
		"stacks/shop/stack.yml": {Data: []byte("services: {web: {image: \"web:${TAG}\", cap_add: [NET_ADMIN]}}")},
		"staging/swarmgit.yaml": {Data: []byte("stacks: {shop: {files: [../stacks/shop/stack.yml, shop.yml], values: {TAG: 2}}}")},
		"staging/shop.yml":      {Data: []byte("services: {web: {user: staging}}")},
		"prod/swarmgit.yaml":    {Data: []byte("stacks: {shop: {files: [../stacks/shop/stack.yml, shop.yml], values: {TAG: 1}}}")},
		"prod/shop.yml":         {Data: []byte("services: {web: {user: prod}}")},
	}
}

// TestLoaderRemembersLists changes each file that a listed stack depends on.
func TestLoaderRemembersLists(t *testing.T) {
	tree, loader := environments(), NewLoader()
	want := func(path, image, user string) {
		t.Helper()
		for range 2 { // read, and remembered
			result := loader.Load(context.Background(), tree, Options{Path: path})
			if len(result.Stacks) != 1 || len(result.Problems) > 0 {
				t.Fatalf("%s: %d stacks\n%s", path, len(result.Stacks), said(result))
			}
			stack := result.Stacks[0]
			task := stack.Tasks[stack.Services[0].Task]
			if stack.Name != "shop" || task.Image != image || task.User != user {
				t.Errorf("%s is %s with %s as %s, want %s as %s", path, stack.Name, task.Image, task.User, image, user)
			}
			at := map[string]string{"services.web.image": "stacks/shop/stack.yml:1:18", "services.web.user": path + "/shop.yml:1:18"}
			for field, place := range at {
				if got, _ := stack.Origins.Find(field); got.String() != place {
					t.Errorf("%s: %s, want %s", field, got, place)
				}
			}
		}
	}
	want("staging", "web:2", "staging")
	want("prod", "web:1", "prod")
	tree["prod/shop.yml"] = &fstest.MapFile{Data: []byte("services: {web: {user: root}}")}
	want("prod", "web:1", "root")
	tree["prod/swarmgit.yaml"] = &fstest.MapFile{Data: []byte("stacks: {shop: {files: [../stacks/shop/stack.yml, shop.yml], values: {TAG: 3}}}")}
	want("prod", "web:3", "root")
	tree["stacks/shop/.env"] = &fstest.MapFile{Data: []byte("TAG=9\n")}
	want("prod", "web:3", "root")
	want("staging", "web:2", "staging")
}

// TestOverItselfIsTheSame: a file over itself changes nothing.
func TestOverItselfIsTheSame(t *testing.T) {
	const stack = `services:
  web:
    image: web:1
    command: [serve, --verbose]
    environment: {A: "1"}
    cap_add: [NET_ADMIN]
    volumes: ["/a:/a", "/b:/b:ro"]
    ports: [{target: 80, published: 80, mode: host}]
    configs: [page]
    deploy: {placement: {constraints: [node.role == worker]}}
configs: {page: {external: true}}
`
	tree := fstest.MapFS{"a.yml": {Data: []byte(stack)}, "b.yml": {Data: []byte(stack)}, "swarmgit.yaml": {Data: []byte("stacks: {shop: {files: [a.yml]}}")}}
	once := load(tree)
	tree["swarmgit.yaml"] = &fstest.MapFile{Data: []byte("stacks: {shop: {files: [a.yml, b.yml, a.yml]}}")}
	if got := said(load(tree)); got != "swarmgit.yaml:1:39: stacks.shop.files.2: written twice; the first one is at 1:25: keep one\n" {
		t.Errorf("got %s", got)
	}
	tree["swarmgit.yaml"] = &fstest.MapFile{Data: []byte("stacks: {shop: {files: [a.yml, b.yml]}}")}
	twice := load(tree)
	if len(once.Stacks) != 1 || len(twice.Stacks) != 1 {
		t.Fatalf("%s%s", said(once), said(twice))
	}
	if diff := cmp.Diff(once.Stacks[0].Tasks, twice.Stacks[0].Tasks); diff != "" {
		t.Errorf("(-once +twice):\n%s", diff)
	}
	if diff := cmp.Diff(once.Stacks[0].Services, twice.Stacks[0].Services); diff != "" {
		t.Errorf("(-once +twice):\n%s", diff)
	}
}

// TestWhatIsTheSameIsReplaced: an item that is the same as some before it, by what
// tells items apart, takes the place of all of these, however often it is there.
func TestWhatIsTheSameIsReplaced(t *testing.T) {
	tree := fstest.MapFS{
		"swarmgit.yaml": {Data: []byte("stacks: {shop: {files: [a.yml, b.yml]}}")},
		"a.yml": {Data: []byte(`services:
  web:
    image: web:1
    ports: [{target: 80, published: 80, mode: host}, {target: 53, published: 53, mode: host}, {target: 53, published: 53, mode: host, protocol: udp}]
    secrets: [{source: key, target: one}, {source: other}, {source: key, target: two}]
secrets: {key: {external: true}, other: {external: true}}
`)},
		"b.yml": {Data: []byte(`services:
  web:
    ports: [{target: 53, published: 53, mode: host, protocol: udp}, {target: 53, published: 53, mode: host, protocol: tcp}, "80:80", {target: 90, published: 90, mode: host}]
    secrets: [{source: key, target: two}, {source: key, target: three}]
`)},
	}
	got := load(tree)
	want := "partial: a.yml:4:5: services.web.ports: published ports of mode ingress are not built yet; `mode: host` publishes on the nodes of the tasks\n"
	if said(got) != want || len(got.Stacks) != 1 {
		t.Fatalf("%d stacks, and %s", len(got.Stacks), said(got))
	}
	task := got.Stacks[0].Tasks[got.Stacks[0].Services[0].Task]
	if diff := cmp.Diff([]specs.HostPort{{Published: 53, Target: 53, Protocol: "tcp"}, {Published: 53, Target: 53, Protocol: "udp"}, {Published: 90, Target: 90, Protocol: "tcp"}}, task.HostPorts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var targets []string
	for _, ref := range task.Secrets {
		targets = append(targets, ref.Target)
	}
	if diff := cmp.Diff([]string{"/run/secrets/other", "/run/secrets/three", "/run/secrets/two"}, targets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
