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
	who := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q, views %t", Asker(r.Context()), AskerViews(r.Context()))
	}
	p.leader.HandleFunc("/who", who)
	p.leader.HandleFunc(string(Plan), who)
	p.follower.HandleFunc(MetricsPath, who)
	guarded := func(role specs.AccessRole) string {
		addr, _ := p.serve(Guard(Forward(p.follower, p.who), []string{"127.0.0.1"}, known(func(string) specs.AccessToken {
			return specs.AccessToken{Name: "ci", Role: role}
		})))
		return addr
	}
	admin, viewer := guarded(specs.Admin), guarded(specs.Viewer)
	for _, c := range []struct{ addr, path, want string }{
		{admin, "/who", `"token ci", views false`},
		{admin, MetricsPath, `"token ci", views false`}, // which is not passed on
		{viewer, string(Plan), `"viewer's token ci", views true`},
		{viewer, MetricsPath, `"viewer's token ci", views true`},
		{p.addr, "/who", `"", views false`},
		{p.addr, MetricsPath, `"", views false`},
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
