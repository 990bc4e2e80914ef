package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// caDaemon answers the procedures of the certificate authority on a socket, and
// keeps what it was asked.
type caDaemon struct {
	socket string

	mu       sync.Mutex
	asked    []any
	progress []api.CAProgress
}

func (d *caDaemon) ask(request any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, request)
}

func newCADaemon(t *testing.T) *caDaemon {
	t.Helper()
	d := &caDaemon{socket: filepath.Join(t.TempDir(), "s")}
	mux := http.NewServeMux()
	api.GetJoinToken.Serve(mux, func(_ context.Context, r api.JoinTokenRequest) (api.JoinTokenReply, error) {
		d.ask(r)
		if r.Role == "boss" {
			return api.JoinTokenReply{}, errors.New("join-token boss: a node is a manager or a worker")
		}
		return api.JoinTokenReply{Token: "SWMTKN-1-digest-secret", Addr: "10.0.0.5:2377", Others: []string{"10.0.0.6:2377", "10.0.0.7:2377"}}, nil
	})
	api.ReadmitNode.Serve(mux, func(_ context.Context, r api.ByName) (api.JoinTokenReply, error) {
		d.ask(r)
		return api.JoinTokenReply{Token: "SWMTKN-1-digest-secret", Addr: "10.0.0.5:2377"}, nil
	})
	api.RotateCA.Serve(mux, func(_ context.Context, r api.RotateCARequest) (api.Empty, error) {
		d.ask(r)
		return api.Empty{}, nil
	})
	api.UpdateCluster.Serve(mux, func(_ context.Context, r api.UpdateClusterRequest) (api.Empty, error) {
		d.ask(r)
		return api.Empty{}, nil
	})
	api.WatchCA.Serve(mux, func(_ context.Context, _ api.Empty, send func(api.CAProgress) error) error {
		for _, p := range d.progress {
			if err := send(p); err != nil {
				return err
			}
		}
		return nil
	})
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- wire.Serve(ctx, l, mux) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// say runs a command line against the daemon.
func (d *caDaemon) say(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	root := rootCommand()
	root.SetOut(&out)
	root.SetArgs(append([]string{"--host", d.socket}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCACommands(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	if err := errors.Join(os.WriteFile(cert, []byte("CERT"), 0o600), os.WriteFile(key, []byte("KEY"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d := newCADaemon(t)
	d.progress = []api.CAProgress{
		{Text: "rotating the root certificate: 1 of 2 nodes renewed; waiting for n2"},
		{Text: "the root certificate is in place: 2 of 2 nodes renewed", Done: true},
	}
	watched := d.progress[0].Text + "\n" + d.progress[1].Text + "\n"
	for _, tc := range []struct {
		line string
		said string
		ask  any
		err  string
	}{
		{"join-token worker", "To add a worker, run on the machine that is to join:\n\n" +
			"    sudo swarmgit daemon --join 10.0.0.5:2377 --join 10.0.0.6:2377 --join 10.0.0.7:2377 --token SWMTKN-1-digest-secret\n", api.JoinTokenRequest{Role: specs.Worker}, ""},
		{"join-token manager --rotate -q", "SWMTKN-1-digest-secret\n", api.JoinTokenRequest{Role: specs.Manager, Rotate: true}, ""},
		{"join-token boss", "", api.JoinTokenRequest{Role: "boss"}, "join-token boss: a node is a manager or a worker"},
		{"join-token", "", nil, "join-token needs worker|manager"},
		{"node readmit web-3", "To let web-3 back in, run there once within a day:\n\n" +
			"    sudo swarmgit daemon --join 10.0.0.5:2377 --token SWMTKN-1-digest-secret\n", api.ByName{Name: "web-3"}, ""},
		{"ca rotate", watched, api.RotateCARequest{}, ""},
		{"ca rotate -d --ca-cert " + cert + " --ca-key " + key, "", api.RotateCARequest{Cert: "CERT", Key: "KEY"}, ""},
		{"ca rotate -d --ca-cert " + cert + " --external-ca https://a --external-ca https://b", "",
			api.RotateCARequest{Cert: "CERT", External: []string{"https://a", "https://b"}}, ""},
		{"ca rotate -d --abort", "", api.RotateCARequest{Abort: true}, ""},
		{"ca rotate --abort --ca-cert " + cert, "", nil, "ca rotate: --abort leads back"},
		{"ca rotate --ca-cert " + dir + "/none", "", nil, "no such file"},
		{"ca status", d.progress[0].Text + "\n", nil, ""},
		{"ca status -o json", "{\n  \"text\": \"" + d.progress[0].Text + "\",\n  \"nodes\": 0,\n  \"renewed\": 0\n}\n", nil, ""},
		{"cluster update --orphan-after 6h", "", api.UpdateClusterRequest{OrphanAfter: new(specs.Duration(6 * hour))}, ""},
		{"cluster update --cert-expiry 720h", "", api.UpdateClusterRequest{CertExpiry: new(specs.Duration(720 * hour))}, ""},
		{"cluster update --cert-expiry soon", "", nil, "--cert-expiry soon: not a duration"},
	} {
		d.asked = nil
		said, err := d.say(t, strings.Fields(tc.line)...)
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v", tc.line, err)
		}
		var want []any
		if tc.ask != nil {
			want = []any{tc.ask}
		}
		if diff := cmp.Diff(want, d.asked); said != tc.said || diff != "" {
			t.Errorf("%s: said %q\n%s", tc.line, said, diff)
		}
	}
}
