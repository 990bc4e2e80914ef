package consensus

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

// killDir names the directory in which TestWriteUntilKilled is to write. It is
// set only in the process that TestNothingAcknowledgedIsLostByAKill starts.
const killDir = "SWARMGIT_TEST_KILL_DIR"

// TestWriteUntilKilled prints the number of each ref that is written for good.
func TestWriteUntilKilled(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("runs only as the child of TestNothingAcknowledgedIsLostByAKill")
	}
	r := run(t, Config{Dir: dir, Bootstrap: true, Snapshots: SnapshotConfig{Trailing: 16}})
	r.lead(t)
	var next int
	for row := range r.store.Snapshot().Refs() {
		fmt.Sscanf(row.Name, "refs/heads/%d", &next)
	}
	for i := next + 1; ; i++ {
		if err := r.write(t, ref(i))[0]; err != nil {
			t.Fatal(err)
		}
		fmt.Println("wrote", i)
		if i%100 == 0 {
			if err := r.raft.Snapshot().Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir, acknowledged := t.TempDir(), 0
	for range 8 {
		last := writeAndKill(t, dir, 1+rng.IntN(300))
		if last <= acknowledged {
			t.Fatalf("the child went on at %d, behind %d", last, acknowledged)
		}
		acknowledged = last
	}
	r := run(t, Config{Dir: dir, Bootstrap: true})
	r.lead(t)
	for i := 1; i <= acknowledged; i++ {
		if _, ok := r.store.Snapshot().Ref(fmt.Sprintf("refs/heads/%06d", i)); !ok {
			t.Fatalf("ref %d of %d is lost", i, acknowledged)
		}
	}
}

// writeAndKill kills the child once it has written some and returns the last
// number that it acknowledged.
func writeAndKill(t *testing.T, dir string, some int) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestWriteUntilKilled$", "-test.v")
	child.Env = append(os.Environ(), killDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, wrote := bufio.NewScanner(out), 0
	for lines.Scan() {
		var word string
		var n int
		if count, _ := fmt.Sscan(lines.Text(), &word, &n); count != 2 || word != "wrote" {
			continue
		}
		last = n
		if wrote++; wrote == some {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if wrote < some {
		t.Fatalf("the child ended after %d of %d", wrote, some)
	}
	return last
}
