package schema

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
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
