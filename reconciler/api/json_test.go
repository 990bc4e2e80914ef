package api

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

var update = flag.Bool("update", false, "rewrite testdata/*.json")

// The golden files are the JSON form that `-o json` prints and tools read: of a
// busy cluster, and of an empty one. A field may be added; one that changes its
// name or goes breaks somebody's script.
func TestJSONShape(t *testing.T) {
	for _, w := range []struct {
		name  string
		world *world
	}{{"prod", prod(t)}, {"empty", newWorld(t)}} {
		client := w.world.dial()
		golden := func(name string, reply any, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			wantGolden(t, filepath.Join("testdata", w.name+"_"+name+".json"), reply)
		}
		ctx := t.Context()
		status, err := GetStatus.Call(ctx, client, Empty{})
		golden("status", status, err)
		nodes, err := ListNodes.Call(ctx, client, Empty{})
		golden("nodes", nodes, err)
		services, err := ListServices.Call(ctx, client, ListServicesRequest{})
		golden("services", services, err)
		tasks, err := ListTasks.Call(ctx, client, ListTasksRequest{})
		golden("tasks", tasks, err)
		stacks, err := ListStacks.Call(ctx, client, Empty{})
		golden("stacks", stacks, err)
		revisions, err := ListRevisions.Call(ctx, client, ListRevisionsRequest{})
		golden("revisions", revisions, err)
	}
}

// What an operator gets who changes nodes: one manager of three is lost, a node
// is down, and one is drained.
func TestJSONShapeOfNodes(t *testing.T) {
	w := crowded(t)
	w.node("n3", specs.Manager, specs.NodeDown)
	w.node("n4", specs.Manager, specs.NodeReady)
	w.managers = map[string]bool{id("n1"): true, id("n3"): false, id("n4"): true}
	w.held = "1 of 4 nodes went down"
	client := w.dial()
	updated, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{
		Name: "n2", Availability: specs.Drain, LabelAdd: map[string]string{"disk": "ssd"}, LabelRemove: []string{"zone"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "testdata/nodes_update.json", updated)
	status, err := GetStatus.Call(t.Context(), client, Empty{})
	if err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "testdata/nodes_status.json", status)
	first := true
	for drained, err := range WatchDrain.Call(t.Context(), client, ByName{Name: "n2"}) {
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			wantGolden(t, "testdata/nodes_drain.json", drained)
			break
		}
		first = false
		w.task("d2", "db", 1, 0, specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node"}, specs.TaskSeen{})
		w.seen("d1", specs.StateShutdown)
	}
}

// dial returns a client of the world's API over a pipe.
func (w *world) dial() *wire.Client {
	w.t.Helper()
	mux := http.NewServeMux()
	w.server().Register(mux)
	pipe := wire.NewPipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- wire.Serve(ctx, pipe, mux) }()
	client := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) { return pipe.Dial(ctx) })
	w.t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return client
}

func wantGolden(t *testing.T, path string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", path, cmp.Diff(string(want), string(got)))
	}
}
