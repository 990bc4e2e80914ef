package git

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// lose takes the repository's directory away under the running daemon.
func (s *site) lose() {
	s.t.Helper()
	if err := os.RemoveAll(s.repo.dir); err != nil {
		s.t.Fatal(err)
	}
}

// complete gets what is missing from the peers.
func (s *site) complete(peers ...Peer) error {
	return s.repo.Complete(s.t.Context(), s.cluster.Refs, Peers(peers))
}

func wantMissing(t *testing.T, err error, lost bool, refs ...string) {
	t.Helper()
	var missing *MissingError
	if !errors.As(err, &missing) || missing.Lost != lost || len(missing.Refs) != len(refs) {
		t.Errorf("got %v, want %v to be missing, lost: %v", err, refs, lost)
		return
	}
	for _, ref := range refs {
		if missing.Refs[ref] == "" {
			t.Errorf("got %v, want %s to be missing", err, ref)
		}
	}
}

// refused runs a git command that must fail and say all of words.
func (c *clone) refused(words []string, args ...string) {
	c.t.Helper()
	said, err := c.try(args...)
	flat := strings.Join(strings.Fields(strings.ReplaceAll(said, "remote:", "")), " ")
	for _, word := range words {
		if err == nil || !strings.Contains(flat, word) {
			c.t.Errorf("git %s: %v, no %q in\n%s", strings.Join(args, " "), err, word, said)
		}
	}
}

// TestGitWaitsForWhatIsOnItsWay has commits come, get lost, and stay away while
// Git is asked for.
func TestGitWaitsForWhatIsOnItsWay(t *testing.T) {
	refs := map[string]string{"refs/heads/main": strings.Repeat("a", 40)}
	for _, c := range []struct {
		name string
		then func(*Repository) // after a second
		lost bool
		want time.Duration
	}{
		{"they come", func(r *Repository) { _ = r.setMissing(nil) }, false, time.Second},
		{"nobody has them", func(r *Repository) {
			r.tried = map[string]error{refs["refs/heads/main"]: wire.Errorf(wire.NotFound, "no")}
			_ = r.setMissing(refs)
		}, true, time.Second},
		{"they stay away", func(*Repository) {}, false, completePatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &Repository{}
			_ = r.setMissing(refs)
			start := time.Now()
			time.AfterFunc(time.Second, func() { c.then(r) })
			missing := r.awaited(t.Context())
			if took := time.Since(start); took != c.want || (missing == nil) != (c.name == "they come") || missing != nil && missing.Lost != c.lost {
				t.Errorf("%s: %v after %v, want %v", c.name, missing, took, c.want)
			}
		})
	}
}

func TestLostRepositoryIsRebuiltFromTheOthers(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	c.git("push", "-q", "swarm", "main")
	c.git("checkout", "-q", "-b", "review")
	review := c.commit("b.yml", "b", "to review")
	c.git("push", "-q", "swarm", "review")
	has, lacks := newManager(t, "n2"), newManager(t, "n3")
	if _, err := s.repo.Replicate(t.Context(), []Peer{has.Peer}, review, nil); err != nil {
		t.Fatal(err)
	}
	s.lose()
	fetching := []string{"this manager does not have commit " + Short(first) + " of main, commit " + Short(review) + " of review yet",
		"push again in a moment"}
	c.refused(fetching, "fetch", "swarm")
	c.refused(fetching, "push", "swarm", "main:other")
	wantMissing(t, s.complete(lacks.Peer, failing(t, "n4")), false, "refs/heads/main", "refs/heads/review")
	c.refused(append(fetching, "the last try: fetch commit "+Short(first)+": n4: input/output error"), "push", "swarm", "main:other")

	if err := s.complete(lacks.Peer, failing(t, "n4"), has.Peer); err != nil {
		t.Fatal(err)
	}
	s.wantRef("refs/heads/main", first)
	s.wantRef("refs/heads/review", review)
	c.git("push", "swarm", "main:other")
	c.git("fetch", "swarm")
	c.git("clone", "-q", s.url(), t.TempDir())
	s.wantNoLeftovers()
}

func TestLostCommitCanBePushedAgain(t *testing.T) {
	for name, next := range map[string]func(c *clone) string{
		"as it was":     func(c *clone) string { return c.git("rev-parse", "HEAD") },
		"with one more": func(c *clone) string { return c.commit("a.yml", "b", "second") },
		"with two more": func(c *clone) string { c.commit("a.yml", "b", "second"); return c.commit("a.yml", "c", "third") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			c := s.clone()
			first := c.commit("a.yml", "a", "first")
			c.git("push", "-q", "swarm", "main")
			s.lose()
			wantMissing(t, s.complete(), true, "refs/heads/main")
			c.refused([]string{"no manager has commit " + Short(first) + " of main any more: push the branch again"}, "fetch", "swarm")

			other := s.clone()
			other.commit("a.yml", "other", "other")
			other.refused([]string{"a lost commit is not in it", "Push from a clone that has " + Short(first)}, "push", "swarm", "main")
			if row := s.cluster.Refs()["refs/heads/main"]; row != first {
				t.Errorf("the row is %s", row)
			}

			commit := next(c)
			said := c.git("push", "swarm", "main")
			if again := strings.Contains(said, "main is "+Short(commit)+" as before"); again != (commit == first) {
				t.Errorf("said\n%s", said)
			}
			s.wantRef("refs/heads/main", commit)
			c.git("fetch", "swarm")
			s.wantNoLeftovers()
		})
	}
}

func TestLostBranchCanBeOverwritten(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	c.git("push", "-q", "swarm", "main")
	s.cluster.set("refs/heads/review", strings.Repeat("1", 40))
	wantMissing(t, s.complete(), true, "refs/heads/review")
	second := c.commit("a.yml", "b", "second")
	c.git("push", "swarm", "main") // not in the way of what is followed
	s.wantRef("refs/heads/main", second)
	c.git("push", "swarm", first+":refs/heads/review")
	s.wantRef("refs/heads/review", first)
	c.git("fetch", "swarm")
}

func TestDamagedRepositoryKeepsWhatIsWhole(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"HEAD is empty":  func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "HEAD"), 0) },
		"no objects":     func(t *testing.T, dir string) { removeAll(t, filepath.Join(dir, "objects")) },
		"a ref is empty": func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "refs/heads/main"), 0) },
		"no refs":        func(t *testing.T, dir string) { removeAll(t, filepath.Join(dir, "refs")) },
		"a pack is cut": func(t *testing.T, dir string) {
			packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
			if err != nil || len(packs) != 2 {
				t.Fatalf("packs %v, %v", packs, err)
			}
			first, _ := os.Stat(packs[0])
			second, _ := os.Stat(packs[1])
			if first.Size() < second.Size() { // the larger is the second push's
				packs[0] = packs[1]
			}
			overwrite(t, packs[0], 100)
		},
		"an index is gone": func(t *testing.T, dir string) {
			indexes, _ := filepath.Glob(filepath.Join(dir, "objects/pack/*.idx"))
			for _, index := range indexes {
				removeAll(t, index)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			c := s.clone()
			first := c.commit("a.yml", "a", "first")
			c.git("push", "-q", "swarm", "main")
			c.git("checkout", "-q", "-b", "review")
			review := c.commit("large", noise(10_000), "to review")
			c.git("push", "-q", "swarm", "review")
			other := newManager(t, "n2")
			if _, err := s.repo.Replicate(t.Context(), []Peer{other.Peer}, review, nil); err != nil {
				t.Fatal(err)
			}
			damage(t, s.repo.dir)
			again, err := Open(t.Context(), s.repo.dir)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			err = again.Complete(t.Context(), s.cluster.Refs, Peers(nil))
			switch name {
			case "HEAD is empty", "a ref is empty", "no refs":
				if err != nil {
					t.Errorf("alone: %v", err)
				}
			case "a pack is cut":
				wantMissing(t, err, true, "refs/heads/review")
				again.wantHas(t, true, first)
			default:
				wantMissing(t, err, true, "refs/heads/main", "refs/heads/review")
			}
			if err := again.Complete(t.Context(), s.cluster.Refs, Peers{other.Peer}); err != nil {
				t.Fatal(err)
			}
			again.wantHas(t, true, first, review)
			s.wantRef("refs/heads/main", first)
			s.wantRef("refs/heads/review", review)
		})
	}
}

func overwrite(t *testing.T, path string, size int64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		removeAll(t, path) // a pack is read-only
		err = os.WriteFile(path, text[:size], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestClosedWhileFetching is a new leader that lacks what was pushed to the old.
func TestClosedWhileFetching(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	other := newManager(t, "n2")
	other.repo.take(t, c.pack(first), first)
	s.cluster.set("refs/heads/main", first)
	wantMissing(t, s.repo.Sync(t.Context(), s.cluster.Refs), false, "refs/heads/main")
	asked, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.repo.Complete(t.Context(), s.cluster.Refs, fetcher(func(ctx context.Context, want string, have []string) (io.ReadCloser, error) {
			close(asked)
			<-goOn
			return Peers{other.Peer}.Fetch(ctx, want, have)
		}))
	}()
	await(t, "the fetch", asked)
	second := c.commit("a.yml", "b", "second")
	c.refused([]string{"this manager does not have commit " + Short(first) + " of main yet"}, "push", "swarm", "main")
	c.refused([]string{"503"}, "clone", s.url(), t.TempDir())
	if answer, err := http.Post(s.url()+"/git-upload-pack", "", strings.NewReader(pktline.Flush)); err != nil || answer.StatusCode != 503 {
		t.Errorf("a fetch that did not ask first: %v, %v", answer.Status, err)
	}
	s.wantLate(first, second)
	close(goOn)
	if err := await(t, "the end of the fetch", done); err != nil {
		t.Fatal(err)
	}
	c.git("push", "swarm", "main")
	s.wantRef("refs/heads/main", second)
}

// wantLate pushes as a client that was told the refs before they were missing.
func (s *site) wantLate(old, new string) {
	s.t.Helper()
	body := pktline.Line(old+" "+new+" refs/heads/main\x00report-status") + pktline.Flush
	answer, err := http.Post(s.url()+"/git-receive-pack", "", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); !strings.Contains(string(text), "ng refs/heads/main swarmgit: objects are missing") {
		s.t.Errorf("answered %q", text)
	}
}

type fetcher func(ctx context.Context, want string, have []string) (io.ReadCloser, error)

func (f fetcher) Fetch(ctx context.Context, want string, have []string) (io.ReadCloser, error) {
	return f(ctx, want, have)
}

func TestFetchCutInTheMiddle(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", noise(1<<20), "first")
	pack := c.pack(first)
	repo := newRepository(t)
	rows := func() map[string]string { return map[string]string{"refs/heads/main": first} }
	mux := http.NewServeMux()
	wire.FetchPack.Serve(mux, func(_ context.Context, _ wire.FetchPackRequest, send func(wire.PackPart) error) error {
		return errors.Join(send(wire.PackPart{Data: pack[:1<<18]}), errors.New("the disk is broken"))
	})
	err := repo.Complete(t.Context(), rows, Peers{peerOf(t, "n2", mux)})
	wantMissing(t, err, false, "refs/heads/main")
	if !strings.Contains(err.Error(), "the disk is broken") {
		t.Errorf("got %v", err)
	}
	repo.wantHas(t, false, first)
}

func TestPushTellsTheCopies(t *testing.T) {
	s := newSite(t)
	b, d := newManager(t, "n2"), newManager(t, "n3")
	peers := []Peer{b.Peer, d.Peer}
	var copies Copies
	s.cluster.replicate = func(ctx context.Context, push Push) (_ Copies, err error) {
		copies, err = s.repo.Replicate(ctx, peers, push.New, []string{push.Old})
		return copies, err
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	said := c.git("push", "swarm", "main")
	want := "main is " + Short(first) + ", committed (" + copies.String() + ")"
	if !strings.Contains(said, want) || copies.Managers != 3 {
		t.Errorf("no %q in\n%s", want, said)
	}
	s.repo.sending.Wait()
	for _, m := range []manager{b, d} {
		m.repo.wantHas(t, true, first)
	}

	peers = []Peer{failing(t, "n2"), failing(t, "n3")}
	second := c.commit("a.yml", "b", "second")
	c.refused([]string{"A push needs 2 of 3 managers to store it: n2: no space left on device n3: no space left on device",
		"refused: objects on 1 of 3 managers. The cluster stays at " + Short(first),
		"(swarmgit: objects on 1 of 3 managers)"}, "push", "swarm", "main")
	s.wantRef("refs/heads/main", first)
	s.wantNoLeftovers()

	peers = []Peer{b.Peer, failing(t, "n3")}
	want = "main is " + Short(second) + ", committed (objects on 2 of 3 managers)"
	if said := c.git("push", "swarm", "main"); !strings.Contains(said, want) {
		t.Errorf("no %q in\n%s", want, said)
	}
	s.wantRef("refs/heads/main", second)
}

func TestNobodySeesWhatIsKept(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	c.git("push", "-q", "swarm", "main")
	second := c.commit("a.yml", "b", "second")
	s.repo.take(t, c.pack(second), second)
	if refs := c.git("ls-remote", "swarm"); strings.Contains(refs, second) || !strings.Contains(refs, first) {
		t.Errorf("clients see\n%s", refs)
	}
	c.git("push", "swarm", "main") // of what is here already
	s.wantRef("refs/heads/main", second)
}
