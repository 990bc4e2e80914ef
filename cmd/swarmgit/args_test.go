package main

import (
	"io"
	"testing"
)

func TestSlipsOfTheCommandLineInWords(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"service", "ps"}, `service ps needs SERVICE: see "swarmgit service ps --help"`},
		{[]string{"service", "logs"}, `service logs needs SERVICE|TASK: see "swarmgit service logs --help"`},
		{[]string{"stack", "ps", "a", "b"}, `stack ps takes one STACK: "b" is too much`},
		{[]string{"service", "logs", "--tail", "x", "web"}, "--tail x: not a number"},
		{[]string{"wait", "--timeout", "5"}, "--timeout 5: not a duration such as 90s or 10m"},
		{[]string{"plan", "--allow-removal=maybe"}, "--allow-removal maybe: neither true nor false"},
		{[]string{"git-url", "--add", "swarm", "--with-token"}, "git-url: --add with --with-token would leave the token in .git/config: --add alone needs none, its helper asks the daemon"},
	} {
		root := rootCommand()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(c.args)
		if err := root.Execute(); err == nil || err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.args, err, c.want)
		}
	}
}
