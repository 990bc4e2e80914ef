package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asSwarmgit makes the test binary behave as swarmgit, so that daemons, log
// keepers, credential helpers and scripts run the code under test.
const asSwarmgit = "SWARMGIT_TEST_MAIN"

func TestMain(m *testing.M) {
	if code, ok := internalProcess(os.Args); ok {
		os.Exit(code)
	}
	if args := strings.Fields(os.Getenv(agentsVariable)); len(args) == 4 {
		if err := runAgents(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if addr := os.Getenv(beatsVariable); addr != "" {
		runBeats(addr)
		return
	}
	if os.Getenv(asSwarmgit) != "" {
		if slices.Contains(os.Environ(), memoryEngine) {
			openEngine = openMemoryEngine
		}
		if path := os.Getenv(clockVariable); path != "" {
			wall = func() time.Time { return time.Now().Add(aheadBy(path)) }
		}
		if path := os.Getenv(memoryVariable); path != "" {
			go tellMemory(path)
		}
		main()
		return
	}
	testscript.Main(suite{m}, map[string]func(){"swarmgit": main})
}

// suite ends the cluster that the tests share, whatever became of them.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if shared.cluster != nil {
		if err := shared.cluster.end(); err != nil {
			fmt.Fprintln(os.Stderr, "end the tests' cluster:", err)
			code = 1
		}
	}
	return code
}
