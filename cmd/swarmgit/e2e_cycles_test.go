package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
)

const (
	// cyclesVariable is how many services TestCyclesLeaveNothing creates and
	// removes; 1000 is the promise.
	cyclesVariable = "SWARMGIT_TEST_CYCLES"
	cyclesRound    = 20 // services that are created, and then removed, by one push

	// memoryVariable names the file to which a daemon of the tests writes its
	// memory after a garbage collection, whenever it gets SIGUSR1.
	memoryVariable = "SWARMGIT_TEST_MEMORY"

	// What a daemon may have grown by between a quarter and the end of the cycles:
	// a revision has a row, a removed service none.
	maxHeapGrowth     = 4 << 20
	maxResidentGrowth = 16 << 20
	maxNewGoroutines  = 20
)

// memoryUse is what a daemon holds.
type memoryUse struct {
	HeapBytes  uint64
	Goroutines int
}

// tellMemory answers SIGUSR1 for as long as the process lives.
func tellMemory(path string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	for range asked {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		text, err := json.Marshal(memoryUse{m.HeapAlloc, runtime.NumGoroutine()})
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "tell the memory:", err)
		}
	}
}

// memoryUse is what the daemon holds after a garbage collection, and its resident
// bytes.
func (c *realCluster) memoryUse(t testing.TB) (use memoryUse, resident int) {
	t.Helper()
	path := c.path("memory")
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := c.daemon.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	c.await(t, "the daemon tells its memory", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(text, &use) == nil
	})
	return use, residentMiB(c.daemon.Process.Pid) << 20
}

// TestCyclesLeaveNothing creates and removes services, each under a name of its
// own, with a secret and a config, and looks for whatever they have left and for
// what the daemon still holds.
func TestCyclesLeaveNothing(t *testing.T) {
	c := ownCluster(t)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.setting = append(c.setting, memoryVariable+"="+c.path("memory"))
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	rounds := max(4, int(number(t, cyclesVariable, 100))/cyclesRound)
	before := c.strangers(t)
	var ids []string
	var quarter memoryUse
	var resident int
	for round := range rounds {
		ids = append(ids, c.cycle(t, round)...)
		if round == rounds/4 {
			quarter, resident = c.memoryUse(t)
		}
	}
	if want := rounds * cyclesRound; len(ids) != want {
		t.Errorf("%d tasks ran, want %d", len(ids), want)
	}
	c.await(t, "nothing is left", func() bool { return len(c.leftovers(t, ids)) == 0 })
	if after := c.strangers(t); after != before {
		t.Errorf("left beside the tasks: %s; before: %s", after, before)
	}
	end, residentEnd := c.memoryUse(t)
	t.Logf("after %d cycles: heap %d KiB, resident %d MiB, %d goroutines; after a quarter: %d KiB, %d MiB, %d", len(ids),
		end.HeapBytes>>10, residentEnd>>20, end.Goroutines, quarter.HeapBytes>>10, resident>>20, quarter.Goroutines)
	if end.HeapBytes > quarter.HeapBytes+maxHeapGrowth || residentEnd > resident+maxResidentGrowth || end.Goroutines > quarter.Goroutines+maxNewGoroutines {
		t.Error("the daemon has grown")
	}
}

// cycle creates the services of a round, removes them and returns their tasks.
func (c *realCluster) cycle(t testing.TB, round int) (ids []string) {
	t.Helper()
	c.push(t, cycleStack(round), "-o", "no-wait")
	c.await(t, "all tasks run", func() bool { return len(c.running(t)) == cyclesRound })
	for _, task := range c.running(t) {
		ids = append(ids, task.ID)
	}
	if round == 0 && len(c.leftovers(t, ids)) == 0 {
		t.Fatal("the search finds nothing of tasks that live")
	}
	c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal", "-o", "no-wait")
	c.await(t, "the tasks are gone", func() bool { return len(c.tasks(t)) == 0 })
	return ids
}

func cycleStack(round int) map[string]string {
	var s strings.Builder
	s.WriteString("services:\n")
	for i := range cyclesRound {
		fmt.Fprintf(&s, `  s%d-%d:
    image: e2e/app:1
    command: [count]
    secrets: [key]
    configs: [{source: page, target: /srv/page}]
    deploy: {update_config: {monitor: 100ms}}
`, round, i)
	}
	s.WriteString("secrets: {key: {file: key}}\nconfigs: {page: {file: page}}\n")
	return map[string]string{
		"stacks/shop/stack.yml": s.String(), "stacks/shop/key": fmt.Sprintf("key of round %d", round), "stacks/shop/page": fmt.Sprintf("page of round %d", round),
	}
}

// strangers counts what bears no task's name: this node's shims, its mounts, its
// cgroups, and the files in memory of its tasks.
func (c *realCluster) strangers(t testing.TB) string {
	t.Helper()
	managed, err := c.managed()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, place := range secretsPlaces(c.path("data")) {
		entries, _ := os.ReadDir(place)
		count["secrets"] += len(entries)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, c.dir) || strings.Contains(line, strings.TrimSuffix(managed.Socket(), "/containerd.sock")) {
			count["mounts"]++
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range processes {
		text, _ := os.ReadFile(path) // one that has ended says nothing
		if args := string(text); strings.Contains(args, "containerd-shim") && strings.Contains(args, managed.Socket()) {
			count["shims"]++
		}
	}
	return fmt.Sprint(count) // sorted by name
}
