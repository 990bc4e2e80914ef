package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// Who asks is known where the answer is made, by the token and by nothing else
// that is sent.
func TestWhoAsks(t *testing.T) {
	p := newPair(t)
	who := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", Asker(r.Context())) }
	p.leader.HandleFunc("/who", who)
	p.follower.HandleFunc(MetricsPath, who)
	guarded, _ := p.serve(Guard(Forward(p.follower, p.who), []string{"127.0.0.1"}, func(string) specs.AccessToken {
		return specs.AccessToken{Name: "ci", Role: specs.Admin}
	}))
	for _, c := range []struct{ addr, path, want string }{
		{guarded, "/who", `"token ci"`},
		{guarded, MetricsPath, `"token ci"`}, // which is not passed on
		{p.addr, "/who", `""`},
		{p.addr, MetricsPath, `""`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.addr+c.path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(askerHeader, "token of somebody else")
		if _, text := p.send(r); text != c.want {
			t.Errorf("%s%s: %s, want %s", c.addr, c.path, text, c.want)
		}
	}
}
