package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
)

const canaryRegistry = "canary-of-a-registry-3e91"

// privateRegistry is a registry that knows ana alone, with an image. It returns the
// image's name, and the number of layers and the like that it gave.
func privateRegistry(t *testing.T) (image string, gave *atomic.Int64) {
	t.Helper()
	program, err := testProgram()
	if err != nil {
		t.Fatal(err)
	}
	built, err := containerd.BuildImage(v1.Config{Entrypoint: []string{"/app"}, Labels: map[string]string{"of": t.Name()}},
		containerd.File{Path: "app", Mode: 0o755, Content: program})
	if err != nil {
		t.Fatal(err)
	}
	gave = new(atomic.Int64)
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(inner)
	defer open.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(open.URL, "http://") + "/shop/app:1")
	if err == nil {
		err = remote.Write(ref, built)
	}
	if err != nil {
		t.Fatal(err)
	}
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ana" || password != canaryRegistry {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			gave.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(locked.Close)
	return strings.TrimPrefix(locked.URL, "http://") + "/shop/app:1", gave
}

// typed runs the command line with this on standard input.
func (c *realCluster) typed(input string, args ...string) (said string, err error) {
	cmd := c.command(executable(), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestAPrivateRegistry goes from a login to tasks and back: images are pulled with
// what the cluster keeps, which is found nowhere, and removed when they are unused.
func TestAPrivateRegistry(t *testing.T) {
	c := theCluster(t)
	image, gave := privateRegistry(t)
	host, _, _ := strings.Cut(image, "/")
	login := []string{"registry", "login", host, "-u", "ana", "--password-stdin"}
	said, err := c.typed("wrong\n", login...)
	want := "swarmgit: registry login " + host + ": the registry " + host + " does not know the user ana with this password; the login was not kept\n"
	if err == nil || said != want {
		t.Errorf("a wrong password: %v\ngot  %swant %s", err, said, want)
	}
	if said, err := c.typed(canaryRegistry+"\n", login...); err != nil || said != "ana is logged in to "+host+" on every node\n" {
		t.Fatalf("the right one: %v, %s", err, said)
	}
	stack := "services:\n  app:\n    image: " + image + "\n    x-swarmgit: {require_digest: true}\n    deploy: {update_config: {monitor: 100ms}}\n"
	pushed := c.push(t, map[string]string{"stacks/shop/stack.yml": stack})
	wantWords(t, pushed, "healthy")
	task := c.running(t)[0]
	if !strings.HasPrefix(task.Image, image+"@sha256:") || gave.Load() == 0 {
		t.Errorf("%s runs, the registry gave %d blobs", task.Image, gave.Load())
	}
	listed, _, _ := c.swarmgit("registry", "ls", "-o", "json")
	wantWords(t, listed, host, "ana")
	plan, _, _ := c.swarmgit("plan", "-o", "json")
	looked := 0
	look := func(where, text string) {
		if looked++; strings.Contains(text, canaryRegistry) {
			t.Errorf("the password is in %s", where)
		}
	}
	look("what was said", pushed+listed+plan)
	if c.everywhere(t, look); looked < 20 {
		t.Errorf("only %d places were looked at", looked)
	}

	here := strings.Replace(task.Image, ":1@", "@", 1)
	for _, name := range []string{task.Image, image} {
		_, errs, code := c.swarmgit("image", "rm", name)
		if want := fmt.Sprintf("swarmgit: image %s stays: it is in use by task shop_app.1\n", name); code == 0 || errs != want {
			t.Errorf("an image that is used is removed:\ngot  %swant %s", errs, want)
		}
	}
	if said, _ := c.typed("", "image", "prune"); strings.Contains(said, host) {
		t.Errorf("prune would remove what is used: %s", said)
	}
	c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	c.await(t, "nothing needs the image", func() bool {
		unused, err := ask(c, api.UnusedImages.Call, api.Empty{})
		return err == nil && slices.ContainsFunc(unused.Images, func(i api.Image) bool { return i.Name == here })
	})
	t.Cleanup(func() {
		if err := c.loadImages(); err != nil { // other tests use them
			t.Error(err)
		}
	})
	said, err = c.typed("n\n", "image", "prune")
	if err == nil {
		t.Error("no is yes")
	}
	wantWords(t, said, "\n"+image+"  ", "registry", "\ne2e/app:1  ", "archive", "packed; layers that others share stay", "nothing was changed")
	if said, err := c.typed("", "image", "prune", "--yes"); err != nil {
		t.Errorf("prune: %v, %s", err, said)
	}
	images, err := ask(c, api.ListImages.Call, api.Empty{})
	if err != nil || len(images.Images) != 0 {
		t.Errorf("left: %+v, %v", images, err)
	}
	out, errs, code := c.swarmgit("registry", "logout", host)
	if want := "the login of ana for " + host + " is forgotten\n"; code != 0 || out != want {
		t.Errorf("logout: %s%s", out, errs)
	}
	wantWords(t, c.refused(t, map[string]string{"stacks/shop/stack.yml": stack}), "has no digest, which the service requires", `see "swarmgit registry login"`)
}
