package api

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestAWorkerNamesManagers(t *testing.T) {
	p := &pair{t: t}
	var managers []string
	p.addr, _ = p.serve(Elsewhere(func(context.Context) string { return AskManagers(managers) }))
	for _, c := range []struct {
		managers []string
		words    string
	}{
		{nil, "this node is a worker, and knows no manager at the moment: ask on a manager"},
		{[]string{"10.0.0.1:2378", "10.0.0.2:2378"}, "this node is a worker: ask on the machine of a manager: 10.0.0.1:2378, 10.0.0.2:2378"},
	} {
		managers = c.managers
		for path, want := range map[string]string{
			string(GetStatus):          `{"code":"failed_precondition","message":"` + c.words + `"}`,
			"/git/main.git/info/refs/": "swarmgit: " + c.words,
		} {
			if status, text := p.post(path, "application/json", nil); status != http.StatusMisdirectedRequest || text != want {
				t.Errorf("%s: status %d: %s", path, status, text)
			}
		}
		client := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
		})
		_, err := GetStatus.Call(t.Context(), client, Empty{})
		wantKind(t, err, wire.NotLeader, c.words)
		for _, err := range Wait.Call(t.Context(), client, WaitRequest{}) {
			wantKind(t, err, wire.NotLeader, c.words)
		}
		_, err = LoadImage.Call(t.Context(), client, func(send func(Chunk) error) error { return send(Chunk{Data: []byte("x")}) })
		wantKind(t, err, wire.NotLeader, c.words)
		client.Close()
	}
}
