package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
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
		{[]string{"status", "shop"}, `status takes no argument: "shop" is too much: see "swarmgit status --help"`},
		{[]string{"plan", "a", "b"}, `plan takes one DIR: "b" is too much`},
		{[]string{"node", "update", "--label-add"}, `--label-add needs a value: see "swarmgit node update --help"`},
		{[]string{"service", "ls", "--format", "x"}, "service ls has no flag --format: -o json gives all fields, to pick from with jq"},
		{[]string{"help", "service", "pz"}, `there is no command "swarmgit service pz" (did you mean ps?): see "swarmgit service --help"`},
		{[]string{"daemon", "ed"}, `there is no command "swarmgit daemon ed" (did you mean end?): see "swarmgit daemon --help"`},
		{[]string{"completion", "tcsh"}, "completion tcsh: the shells are bash, zsh, fish and powershell"},
		{[]string{"swarm", "init", "--advertise-addr", "10.0.0.1"}, `there is no command "swarmgit swarm init": a cluster is made by "swarmgit daemon --init"`},
		{[]string{"secret", "update", "pw"}, `there is no command "swarmgit secret update": a secret that was created here never changes: create one of another name, and name that in the stack file`},
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

// Whatever is said to be the command here is one.
func TestDockersWordsNameCommands(t *testing.T) {
	command := regexp.MustCompile(`"swarmgit ([a-z -]+)`)
	for typed, here := range dockersWords {
		if c, _, err := rootCommand().Find(strings.Fields(typed)); err == nil && c.Name() == typed[strings.LastIndex(typed, " ")+1:] {
			t.Errorf("%s is a command", typed)
		}
		for _, found := range command.FindAllStringSubmatch(here, -1) {
			words, _, _ := strings.Cut(found[1], " --")
			if c, _, err := rootCommand().Find(strings.Fields(words)); err != nil || c.HasSubCommands() && c.Name() != "daemon" {
				t.Errorf("%s: %s: there is no such command: %v", typed, here, err)
			}
		}
	}
}

func TestVariablesOfExec(t *testing.T) {
	t.Setenv("HERE", "a=b")
	t.Setenv("EMPTY", "")
	got := withValues([]string{"X=1", "HERE", "EMPTY", "NOWHERE_AT_ALL"})
	if want := []string{"X=1", "HERE=a=b", "EMPTY="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
