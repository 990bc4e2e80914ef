package reconciler

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// onDisk is a manager with a repository, which leads and is reached over HTTP.
type onDisk struct {
	t    *testing.T
	m    *Manager
	dir  string
	url  string
	work string // a person's clone

	mu    sync.Mutex
	peers []git.Peer
}

func startOnDisk(t *testing.T) *onDisk {
	t.Helper()
	d := &onDisk{t: t, dir: t.TempDir(), work: t.TempDir()}
	var err error
	d.m, err = New(t.Context(), Config{
		Dir: d.dir, NodeID: "n1", First: &First{ClusterID: "c1", Name: "test", NodeID: "n1"}, HTTP: "127.0.0.1:2378",
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.m.others = d.others
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.m.Run(ctx) }()
	web := httptest.NewServer(d.m.People())
	d.url = web.URL + git.Path
	t.Cleanup(func() {
		web.Close()
		cancel()
		if err := <-ended; err != nil && err != context.Canceled {
			t.Errorf("run: %v", err)
		}
		if err := d.m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := d.m.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.git("init", "-q", "-b", "main")
	return d
}

func (d *onDisk) others() []git.Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peers
}

func (d *onDisk) setPeers(peers ...git.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = peers
}

// try runs git in the person's clone and returns what it said, in one line.
func (d *onDisk) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = d.work
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.work, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=a@example", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=a@example",
	}
	out, err := cmd.CombinedOutput()
	return strings.Join(strings.Fields(strings.ReplaceAll(string(out), "remote:", "")), " "), err
}

func (d *onDisk) git(args ...string) string {
	d.t.Helper()
	said, err := d.try(args...)
	if err != nil {
		d.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, said)
	}
	return said
}

func (d *onDisk) commit(stack string) string {
	d.t.Helper()
	file := filepath.Join(d.work, "stacks/shop/stack.yml")
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte(stack), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.git("add", "-A")
	d.git("commit", "-q", "-m", "change")
	return d.git("rev-parse", "HEAD")
}

// another is a manager of which there is only the repository.
func another(t *testing.T, name string) git.Peer {
	t.Helper()
	repo, err := git.Open(t.Context(), filepath.Join(t.TempDir(), "git"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repo.Close)
	mux := http.NewServeMux()
	repo.RegisterManagers(mux)
	return peerOf(t, name, mux)
}

func peerOf(t *testing.T, name string, mux *http.ServeMux) git.Peer {
	client := wire.NewClient(serve(t, mux).Dial)
	t.Cleanup(client.Close)
	return git.Peer{Name: name, Client: client}
}

// serve answers what comes in by a pipe until the test ends.
func serve(t *testing.T, mux *http.ServeMux) *wire.Pipe {
	ctx, stop := context.WithCancel(context.Background())
	pipe := wire.NewPipe()
	var served sync.WaitGroup
	served.Go(func() { _ = wire.Serve(ctx, pipe, mux) })
	t.Cleanup(func() {
		stop()
		served.Wait()
	})
	return pipe
}

func (d *onDisk) wantMain(commit string) {
	d.t.Helper()
	if row := d.m.Refs()["refs/heads/main"]; row != commit {
		d.t.Errorf("main is %s, want %s", row, commit)
	}
}

func TestAPushIsOnAMajorityFirst(t *testing.T) {
	d := startOnDisk(t)
	n2, n3 := another(t, "n2"), another(t, "n3")
	none := peerOf(t, "n4", http.NewServeMux())

	first := d.commit(shop)
	said := d.git("push", "-o", git.OptionNoWait, d.url, "main")
	if !strings.Contains(said, "main is "+git.Short(first)+", committed not watched") {
		t.Errorf("alone: %s", said)
	}
	d.setPeers(n2, n3)
	second := d.commit(strings.ReplaceAll(shop, "1.0", "2.0"))
	said = d.git("push", "-o", git.OptionNoWait, d.url, "main")
	if !strings.Contains(said, "of 3 managers) not watched") {
		t.Errorf("with two others: %s", said)
	}
	d.setPeers(none)
	third := d.commit(strings.ReplaceAll(shop, "1.0", "3.0"))
	said, err := d.try("push", "-o", git.OptionNoWait, d.url, "main")
	if err == nil || !strings.Contains(said, "refused: objects on 1 of 2 managers. The cluster stays at "+git.Short(second)) {
		t.Errorf("with a majority missing: %v, %s", err, said)
	}
	d.wantMain(second)
	d.setPeers(none, n3)
	d.git("push", "-o", git.OptionNoWait, d.url, "main")
	d.wantMain(third)
}

func TestALostRepositoryComesBack(t *testing.T) {
	d := startOnDisk(t)
	d.setPeers(another(t, "n2"), another(t, "n3"))
	first := d.commit(shop)
	d.git("push", "-o", git.OptionNoWait, d.url, "main")
	revisions := len(d.revisions())
	lose := func() {
		if err := os.RemoveAll(filepath.Join(d.dir, "git")); err != nil {
			t.Fatal(err)
		}
	}

	lose()
	// a busy machine may need longer than a fetch waits
	if said, err := d.try("fetch", d.url, "main"); err != nil && !strings.Contains(said, "does not have commit "+git.Short(first)) {
		t.Errorf("a fetch of what the others have: %v, %s", err, said)
	}
	d.await("the others give it back", func() bool { return d.m.repository.Missing() == nil })
	d.git("fetch", d.url, "main")
	d.wantMain(first)

	d.setPeers()
	lose()
	if said, err := d.try("fetch", d.url, "main"); err == nil {
		t.Errorf("a fetch of what is lost: %s", said)
	}
	d.await("it is lost for good", func() bool {
		missing := d.m.repository.Missing()
		return missing != nil && missing.Lost
	})
	d.wantMain(first)
	if said := d.git("push", d.url, "main"); !strings.Contains(said, "main is "+git.Short(first)+" as before") {
		t.Errorf("the same again: %s", said)
	}
	d.git("fetch", d.url, "main")
	if now := len(d.revisions()); now != revisions {
		t.Errorf("%d revisions were %d", now, revisions)
	}
	second := d.commit(strings.ReplaceAll(shop, "1.0", "2.0"))
	d.git("push", "-o", git.OptionNoWait, d.url, "main")
	d.wantMain(second)
}

// TestAFollowerFollowsTheRows has the rows move by what another manager did.
func TestAFollowerFollowsTheRows(t *testing.T) {
	d := startOnDisk(t)
	first := d.commit(shop)
	d.git("push", "-o", git.OptionNoWait, d.url, "main")
	d.m.leading.Store(false)
	d.m.write(t, specs.Change{Ref: specs.Insert("refs/heads/copy", specs.Ref{Name: "refs/heads/copy", Commit: first})})
	d.await("the ref is here", func() bool {
		_, err := d.m.repository.Resolve(t.Context(), "refs/heads/copy")
		return err == nil
	})
}

func (d *onDisk) revisions() (ids []string) {
	for rev := range d.m.store.Snapshot().Revisions() {
		ids = append(ids, rev.ID)
	}
	return ids
}

// await looks until what a goroutine of the manager does is done.
func (d *onDisk) await(what string, done func() bool) {
	d.t.Helper()
	const limit = 2 * time.Minute
	late, look := time.After(limit), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-late:
			d.t.Fatalf("waited %v until %s", limit, what)
		}
	}
}
