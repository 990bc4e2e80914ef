package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// answering is a daemon's socket where the procedures of a test answer.
func answering(t *testing.T, register func(*http.ServeMux)) (socket string) {
	t.Helper()
	mux := http.NewServeMux()
	register(mux)
	return serving(t, mux)
}

func serving(t *testing.T, h http.Handler) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- wire.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// askSocket runs a command line against a socket.
func askSocket(ctx context.Context, socket string, args ...string) (out, errs string, err error) {
	root := rootCommand()
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(append([]string{"--host", socket}, args...))
	err = root.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

func TestNodeUpdateSendsWhatWasSaid(t *testing.T) {
	var got api.UpdateNodeRequest
	socket := answering(t, func(mux *http.ServeMux) {
		api.UpdateNode.Serve(mux, func(_ context.Context, req api.UpdateNodeRequest) (api.UpdateNodeReply, error) {
			got = req
			return api.UpdateNodeReply{Changed: req.Name != "same"}, nil
		})
	})
	for _, c := range []struct {
		args string
		want api.UpdateNodeRequest
		out  string
		err  string
	}{
		{"node update n2 --availability pause", api.UpdateNodeRequest{Name: "n2", Availability: specs.Pause}, "n2\n", ""},
		{"node update n2 --availability drain -d", api.UpdateNodeRequest{Name: "n2", Availability: specs.Drain}, "n2\n", ""},
		{"node update n2 --role manager", api.UpdateNodeRequest{Name: "n2", Role: specs.Manager}, "n2\n", ""},
		{"node update --label-add a=b --label-add c= --label-rm d n2",
			api.UpdateNodeRequest{Name: "n2", LabelAdd: map[string]string{"a": "b", "c": ""}, LabelRemove: []string{"d"}}, "n2\n", ""},
		{"node promote n2", api.UpdateNodeRequest{Name: "n2", Role: specs.Manager}, "Node n2 becomes a manager: see \"swarmgit node ls\".\n", ""},
		{"node promote same", api.UpdateNodeRequest{Name: "same", Role: specs.Manager}, "Node same is already a manager.\n", ""},
		{"node demote same", api.UpdateNodeRequest{Name: "same", Role: specs.Worker}, "Node same is already a worker.\n", ""},
		{"node update n2", api.UpdateNodeRequest{}, "", "node update: nothing to change: give --availability, --role, --label-add or --label-rm"},
		{"node update n2 --availability active --deadline 3s", api.UpdateNodeRequest{}, "", "node update: --deadline goes with --availability drain, which is shown: leave it out"},
		{"node update n2 --label-add a", api.UpdateNodeRequest{}, "", "--label-add a: write it as key=value"},
		{"node promote", api.UpdateNodeRequest{}, "", `node promote needs NODE...: see "swarmgit node promote --help"`},
	} {
		got = api.UpdateNodeRequest{}
		out, _, err := askSocket(t.Context(), socket, strings.Fields(c.args)...)
		if words := fmt.Sprint(err); out != c.out || (err != nil || c.err != "") && words != c.err {
			t.Errorf("%s: says %q and ends with %v", c.args, out, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, diff)
		}
	}
}

func TestOneRefusedNodeDoesNotKeepItFromTheOthers(t *testing.T) {
	socket := answering(t, func(mux *http.ServeMux) {
		api.RemoveNode.Serve(mux, func(_ context.Context, req api.RemoveNodeRequest) (api.Empty, error) {
			if req.Name != "n2" && !req.Force {
				return api.Empty{}, wire.Errorf(wire.InvalidArgument, "node %s is up", req.Name)
			}
			return api.Empty{}, nil
		})
	})
	out, errs, err := askSocket(t.Context(), socket, "node", "rm", "n1", "n2", "n3")
	if out != "n2\n" || errs != "swarmgit: node n1 is up\nswarmgit: node n3 is up\n" || !errors.Is(err, exitCode(1)) {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
	out, errs, err = askSocket(t.Context(), socket, "node", "rm", "n1", "n2")
	if out != "n2\n" || errs != "" || fmt.Sprint(err) != "node n1 is up" {
		t.Errorf("one refused: %q, %q, %v", out, errs, err)
	}
	if out, _, err = askSocket(t.Context(), socket, "node", "rm", "--force", "n1"); out != "n1\n" || err != nil {
		t.Errorf("by force: %q, %v", out, err)
	}
}

// A drain is shown to its end, or until nobody looks any more.
func TestNodeUpdateShowsADrain(t *testing.T) {
	hangs, watching := false, make(chan struct{}, 1)
	socket := answering(t, func(mux *http.ServeMux) {
		api.UpdateNode.Serve(mux, func(_ context.Context, req api.UpdateNodeRequest) (api.UpdateNodeReply, error) {
			node := specs.Node{ID: "id-of-n2", Seen: specs.NodeSeen{Description: specs.NodeDescription{Hostname: "n2"}}}
			return api.UpdateNodeReply{Node: api.Node{Node: node}}, nil
		})
		api.WatchDrain.Serve(mux, func(ctx context.Context, req api.ByName, send func(api.DrainReply) error) error {
			if err := send(api.DrainReply{Node: "n2", Total: 1, Left: []string{req.Name + ".1"}}); err != nil {
				return err
			}
			if watching <- struct{}{}; hangs {
				<-ctx.Done()
				return ctx.Err()
			}
			return send(api.DrainReply{Node: "n2", Total: 1, Empty: true})
		})
	})
	const first = "drain n2: 0 of 1 task moved\n"
	out, _, err := askSocket(t.Context(), socket, "node", "update", "--availability", "drain", "n2")
	if out != first+"drain n2: 1 of 1 task moved, the node is empty\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	<-watching

	hangs = true
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		<-watching
		interrupt()
	}()
	_, errs, err := askSocket(ctx, socket, "node", "update", "--availability", "drain", "n2")
	if !strings.Contains(errs, "the drain goes on: see \"swarmgit node ps n2\"") || !errors.Is(err, exitCode(130)) {
		t.Errorf("Ctrl-C: %q, %v", errs, err)
	}
}

func TestADrainIsNotShownAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux, pipe := http.NewServeMux(), wire.NewPipe()
		api.WatchDrain.Serve(mux, func(ctx context.Context, _ api.ByName, send func(api.DrainReply) error) error {
			if err := send(api.DrainReply{Node: "n2", Total: 1, Left: []string{"shop_db.1"}}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		var server sync.WaitGroup
		server.Go(func() { _ = wire.Serve(ctx, pipe, mux) })
		client := wire.NewJSONClient(pipe.Dial)

		var out, errs bytes.Buffer
		c := &cobra.Command{}
		c.SetContext(ctx)
		c.SetOut(&out)
		c.SetErr(&errs)
		began := time.Now()
		err := watchDrain(c, client, api.Node{Node: specs.Node{ID: "n2"}}, time.Minute)
		if !errors.Is(err, exitCode(4)) || time.Since(began) != time.Minute {
			t.Errorf("ends with %v after %s", err, time.Since(began))
		}
		if out.String() != "drain n2: 0 of 1 task moved\n" ||
			!strings.HasPrefix(errs.String(), "swarmgit: node update: n2 is not empty after 1m0s: 1 task left (shop_db.1); ") {
			t.Errorf("says %q and %q", out.String(), errs.String())
		}
		client.Close()
		cancel()
		server.Wait()
	})
}

// On a worker every command that asks says where to ask.
func TestTheSocketOfAWorkerNamesManagers(t *testing.T) {
	socket := serving(t, api.Elsewhere(func(context.Context) string { return api.AskManagers([]string{"10.0.0.1:2378"}) }))
	for _, args := range []string{"status", "node ls", "node rm n1", "wait", "service logs web", "git-url"} {
		_, _, err := askSocket(t.Context(), socket, strings.Fields(args)...)
		if fmt.Sprint(err) != "this node is a worker: ask on the machine of a manager: 10.0.0.1:2378" {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// Of several nodes each refusal says whose it is, also where the manager's words do not.
func TestARefusalAmongSeveralNamesItsNode(t *testing.T) {
	socket := answering(t, func(mux *http.ServeMux) {
		api.UpdateNode.Serve(mux, func(_ context.Context, req api.UpdateNodeRequest) (api.UpdateNodeReply, error) {
			if req.Name == "n1" {
				return api.UpdateNodeReply{Changed: true}, nil
			}
			return api.UpdateNodeReply{}, wire.Errorf(wire.NotLeader, "no manager leads right now")
		})
	})
	for args, want := range map[string]string{
		"node demote n1 n2":    "n2: no manager leads right now",
		"node demote n2":       "no manager leads right now",
		"node demote n1 n2 n3": "swarmgit: n2: no manager leads right now\nswarmgit: n3: no manager leads right now\n",
	} {
		_, errs, err := askSocket(t.Context(), socket, strings.Fields(args)...)
		if errs == "" {
			errs = fmt.Sprint(err)
		}
		if errs != want {
			t.Errorf("%s: got %q", args, errs)
		}
	}
}
