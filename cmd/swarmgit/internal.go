package main

import (
	"os"

	"github.com/swarmgit/swarmgit/runtime/executor/process"
	"github.com/swarmgit/swarmgit/runtime/logkeeper"
)

// How this program is started as what it is not for people.
const (
	keeperVerb  = "log-keeper" // of the node
	processVerb = "process"    // for a task that is a plain process
)

// internalProcess runs what swarmgit starts itself as, before anything of the
// command line is built. It is false for a person's command.
func internalProcess(args []string) (code int, ok bool) {
	if len(args) < 2 {
		return 0, false
	}
	switch args[1] {
	case keeperVerb:
		return logkeeper.Main(args[2:]), true
	case processVerb:
		return process.Main(args[2:]), true
	}
	return 0, false
}

// executable is the path of this program, for helpers to come back.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
