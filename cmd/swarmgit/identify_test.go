package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// A daemon may be started again with the flags that made its machine a node, but
// not be thought to have joined another cluster by that.
func TestANodeIsMadeOnce(t *testing.T) {
	start := func(dir string, begin beginning) (said string, err error) {
		var out strings.Builder
		n := &node{cfg: nodeConfig{dataDir: dir, listen: "127.0.0.1:0", executor: processExecutor, begin: begin, log: slog.New(slog.DiscardHandler), out: &out}}
		id, err := n.identify(t.Context())
		if err != nil {
			return "", err
		}
		return strings.ReplaceAll(strings.ReplaceAll(out.String(), dir, "DIR"), id.Credentials().Self().NodeID, "N"), nil
	}
	here, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{here, other} {
		if said, err := start(dir, beginning{cluster: "prod"}); err != nil || said != "" {
			t.Fatalf("%q, %v", said, err)
		}
	}
	join := func(dir string) beginning {
		first, err := readFirst(firstPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		return beginning{join: []string{"10.0.0.1:2377"}, token: fmt.Sprint(first.Authority.Token(specs.Worker))}
	}
	for name, c := range map[string]struct {
		begin      beginning
		said, want string
	}{
		"as it is":     {beginning{}, "", ""},
		"made again":   {beginning{cluster: "prod"}, "DIR holds node N, a manager of a cluster: it goes on, and --init does nothing.\n", ""},
		"joined again": {join(here), "DIR holds node N, a manager of a cluster: it goes on, and --join does nothing.\n", ""},
		"another":      {join(other), "", `the token is for another cluster: go on with that node without --join and --token; to join the other cluster, first have the node leave its own ("swarmgit leave")`},
	} {
		said, err := start(here, c.begin)
		if said != c.said || (err != nil) != (c.want != "") || c.want != "" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}
