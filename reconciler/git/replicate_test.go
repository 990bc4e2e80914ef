package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// manager is another manager, reached over a pipe.
type manager struct {
	Peer
	repo *Repository
}

func newManager(t *testing.T, name string) manager {
	repo := newRepository(t)
	mux := http.NewServeMux()
	repo.RegisterManagers(mux)
	return manager{peerOf(t, name, mux), repo}
}

func peerOf(t *testing.T, name string, mux *http.ServeMux) Peer {
	ctx, stop := context.WithCancel(context.Background())
	pipe := wire.NewPipe()
	client := wire.NewClient(pipe.Dial)
	var served sync.WaitGroup
	served.Go(func() {
		if err := wire.Serve(ctx, pipe, mux); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		client.Close()
		stop()
		served.Wait()
	})
	return Peer{Name: name, Client: client}
}

// hanging takes everything and answers nothing until release closes.
func hanging(t *testing.T, name string, release <-chan struct{}, then *Repository) Peer {
	mux := http.NewServeMux()
	wire.StorePack.Serve(mux, func(ctx context.Context, parts iter.Seq2[wire.PackPart, error]) (wire.StorePackReply, error) {
		select {
		case <-release:
			return then.storePack(ctx, parts)
		case <-ctx.Done():
			return wire.StorePackReply{}, ctx.Err()
		}
	})
	wire.FetchPack.Serve(mux, func(ctx context.Context, _ wire.FetchPackRequest, _ func(wire.PackPart) error) error {
		<-ctx.Done()
		return ctx.Err()
	})
	return peerOf(t, name, mux)
}

func failing(t *testing.T, name string) Peer {
	mux := http.NewServeMux()
	wire.StorePack.Serve(mux, func(context.Context, iter.Seq2[wire.PackPart, error]) (wire.StorePackReply, error) {
		return wire.StorePackReply{}, errors.New("no space left on device")
	})
	wire.FetchPack.Serve(mux, func(context.Context, wire.FetchPackRequest, func(wire.PackPart) error) error {
		return errors.New("input/output error")
	})
	return peerOf(t, name, mux)
}

// leader has two commits.
func leader(t *testing.T) (repo *Repository, first, second string) {
	c := workTree(t)
	first = c.commit("a.yml", strings.Repeat("services: {}\n", 500), "first")
	second = c.commit("a.yml", strings.Repeat("services: {}\n", 501), "second")
	repo = newRepository(t)
	repo.take(t, c.pack(second), second)
	return repo, first, second
}

func TestReplicate(t *testing.T) {
	r, first, second := leader(t)
	for name, tc := range map[string]struct {
		peers string // each is good, hangs or fails
		most  Copies
		err   string // of a ReplicationError
	}{
		"alone":      {"", Copies{}, ""},
		"two others": {"good good", Copies{3, 3}, ""},
		"one hangs":  {"hangs good", Copies{2, 3}, ""},
		"one fails":  {"good fails", Copies{2, 3}, ""},
		"both fail": {"fails fails", Copies{1, 3},
			"objects on 1 of 3 managers, 2 are needed: n2: no space left on device; n3: no space left on device"},
		"the only other fails": {"fails", Copies{1, 2}, "objects on 1 of 2 managers, 2 are needed: n2: no space left on device"},
		"two of four fail":     {"fails good good fails", Copies{3, 5}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			var peers []Peer
			var repos []*Repository
			for i, kind := range strings.Fields(tc.peers) {
				name := fmt.Sprintf("n%d", i+2)
				switch kind {
				case "good":
					m := newManager(t, name)
					peers, repos = append(peers, m.Peer), append(repos, m.repo)
				case "hangs":
					repos = append(repos, newRepository(t))
					peers = append(peers, hanging(t, name, release, repos[len(repos)-1]))
				case "fails":
					peers = append(peers, failing(t, name))
				}
			}
			got, err := r.Replicate(t.Context(), peers, second, []string{first})
			if got.Managers != tc.most.Managers || got.Stored > tc.most.Stored || err == nil && got.Managers > 0 && got.Stored < got.needed() {
				t.Errorf("got %v, want at most %v", got, tc.most)
			}
			if few := (*ReplicationError)(nil); errors.As(err, &few) != (tc.err != "") || err != nil && err.Error() != tc.err {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			close(release) // who is late is sent it all the same
			r.sending.Wait()
			for _, repo := range repos {
				repo.wantHas(t, true, first, second) // it lacked first, too
			}
			r.wantHas(t, true, second)
		})
	}
}

func TestMajority(t *testing.T) {
	full := errors.New("no space left on device")
	for name, tc := range map[string]struct {
		answers map[string]error
		after   map[string]time.Duration
		want    Copies
		took    time.Duration
		err     string
	}{
		"all are well": {
			map[string]error{"n2": nil, "n3": nil}, map[string]time.Duration{"n2": time.Second, "n3": time.Second + courtesy/2},
			Copies{3, 3}, time.Second + courtesy/2, "",
		},
		"one is slow": {
			map[string]error{"n2": nil, "n3": nil}, map[string]time.Duration{"n2": time.Second, "n3": 2 * time.Second},
			Copies{2, 3}, time.Second + courtesy, "",
		},
		"one says nothing": {
			map[string]error{"n3": nil}, map[string]time.Duration{"n3": replicateLimit - 1},
			Copies{2, 3}, replicateLimit - 1 + courtesy, "",
		},
		"nobody says anything": {
			nil, nil, Copies{1, 3}, replicateLimit,
			"objects on 1 of 3 managers, 2 are needed: n2: it did not answer in time; n3: it did not answer in time",
		},
		"one fails, one is too late": {
			map[string]error{"n2": full, "n3": nil}, map[string]time.Duration{"n3": replicateLimit + 1},
			Copies{1, 3}, replicateLimit,
			"objects on 1 of 3 managers, 2 are needed: n2: no space left on device; n3: it did not answer in time",
		},
		"nobody can": {
			map[string]error{"n2": full, "n3": full}, map[string]time.Duration{"n2": time.Second},
			Copies{1, 3}, time.Second,
			"objects on 1 of 3 managers, 2 are needed: n2: no space left on device; n3: no space left on device",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answers := make(chan stored, 2)
				for name, err := range tc.answers {
					time.AfterFunc(tc.after[name], func() { answers <- stored{name, err} })
				}
				start := time.Now()
				got, err := majority(t.Context(), []Peer{{Name: "n2"}, {Name: "n3"}}, answers)
				if got != tc.want || time.Since(start) != tc.took || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
					t.Errorf("after %v: %v, %v", time.Since(start), got, err)
				}
				time.Sleep(time.Minute) // for the answers that nobody waits for
			})
		})
	}
}

func TestThinPackSuffices(t *testing.T) {
	c := workTree(t)
	first := c.commit("large", noise(1<<20), "first")
	second := c.commit("a.yml", "a", "second")
	r, b := newRepository(t), newManager(t, "n2")
	r.take(t, c.pack(second), second)
	b.repo.take(t, c.pack(first), first)
	var carried countingWriter
	if _, err := r.Replicate(t.Context(), []Peer{b.Peer}, second, []string{first}); err != nil {
		t.Fatal(err)
	}
	if err := r.Pack(t.Context(), second, []string{first}, &carried); err != nil || carried > 5000 {
		t.Errorf("the pack has %d bytes, %v", carried, err)
	}
	b.repo.wantHas(t, true, second)
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

// TestReplicateMany has commits replicated at once while all managers tidy up
// behind every step.
func TestReplicateMany(t *testing.T) {
	c := workTree(t)
	r := newRepository(t)
	b, d := newManager(t, "n2"), newManager(t, "n3")
	base := c.commit("a.yml", "a", "base")
	r.take(t, c.pack(base), base)
	var commits []string
	for _, name := range []string{"one", "two", "three"} {
		c.git("checkout", "-q", "-b", name, base)
		commit := c.commit(name, name, name)
		r.take(t, c.pack(commit, base), commit)
		commits = append(commits, commit)
	}
	var done atomic.Bool
	var tidying, all sync.WaitGroup
	for _, repo := range []*Repository{b.repo, d.repo} {
		tidying.Go(func() {
			for !done.Load() {
				if err := repo.tidy(t.Context(), 0); err != nil {
					t.Errorf("tidy: %v", err)
				}
			}
		})
	}
	for _, commit := range commits {
		all.Go(func() {
			for range 2 { // the second time it is there already
				if copies, err := r.Replicate(t.Context(), []Peer{b.Peer, d.Peer}, commit, []string{base}); err != nil {
					t.Errorf("replicate: %v, %v", copies, err)
				}
			}
		})
	}
	all.Wait()
	r.sending.Wait()
	done.Store(true)
	tidying.Wait()
	for _, repo := range []*Repository{b.repo, d.repo} {
		repo.age(t)
		repo.tidyNow(t)
		repo.wantHas(t, true, commits...)
	}
}

func TestStorePackCut(t *testing.T) {
	c := workTree(t)
	first := c.commit("a.yml", noise(1<<20), "first")
	pack := c.pack(first)
	b := newManager(t, "n2")
	gone := errors.New("the leader is gone")
	for _, n := range []int{0, 1, 1000, len(pack) / 2, len(pack) - 1, len(pack)} {
		_, err := upload(t.Context(), b.Client, first, nil, func(w io.Writer) error {
			_, err := w.Write(pack[:n])
			return errors.Join(err, w.(interface{ Flush() error }).Flush(), gone)
		})
		if !errors.Is(err, gone) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := upload(t.Context(), b.Client, first, nil, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(pack))
		return err
	}); err != nil {
		t.Error(err)
	}
	b.repo.wantHas(t, true, first)
}

func TestFetch(t *testing.T) {
	r, _, second := leader(t)
	mux := http.NewServeMux()
	r.RegisterManagers(mux)
	has, hasNot, broken := peerOf(t, "n2", mux), newManager(t, "n3").Peer, failing(t, "n4")
	for name, tc := range map[string]struct {
		peers Peers
		err   string
		kind  wire.Kind
	}{
		"one has it":        {Peers{hasNot, broken, has}, "", 0},
		"nobody has it":     {Peers{hasNot, hasNot}, "no other manager has commit " + Short(second), wire.NotFound},
		"nobody is there":   {nil, "no other manager has commit " + Short(second), wire.NotFound},
		"somebody may have": {Peers{broken, hasNot}, "fetch commit " + Short(second) + ": n4: input/output error", wire.Unavailable},
	} {
		pack, err := tc.peers.Fetch(t.Context(), second, nil)
		if tc.err != "" {
			if err == nil || err.Error() != tc.err || wire.KindOf(err) != tc.kind {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to := newRepository(t)
		if err := to.Unpack(t.Context(), pack, second, maxTransfer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = pack.Close()
		to.wantHas(t, true, second)
	}
}

func TestManagersAskForCommitsOnly(t *testing.T) {
	m := newManager(t, "n2")
	for _, name := range []string{"", "main", "HEAD", "--all", "a\nb", strings.Repeat("g", 40)} {
		_, store := upload(t.Context(), m.Client, name, nil, func(io.Writer) error { return nil })
		_, fetch := download(t.Context(), m.Client, wire.FetchPackRequest{Commit: name})
		if wire.KindOf(store) != wire.InvalidArgument || wire.KindOf(fetch) != wire.InvalidArgument {
			t.Errorf("%q: %v, %v", name, store, fetch)
		}
	}
}
