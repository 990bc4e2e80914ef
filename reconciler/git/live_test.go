package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

func await[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// running is a git command that has been started.
type running struct {
	cmd   *exec.Cmd
	lines chan string // of stderr
	ended chan error
}

func (c *clone) start(args ...string) *running {
	c.t.Helper()
	cmd := c.command(args...)
	// A group of its own, as a terminal gives it: Ctrl-C reaches git and its
	// helpers at once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	r := &running{cmd, make(chan string, 1000), make(chan error, 1)}
	go func() {
		for in := bufio.NewScanner(stderr); in.Scan(); {
			r.lines <- strings.TrimRight(in.Text(), " ")
		}
		close(r.lines)
		r.ended <- cmd.Wait()
	}()
	return r
}

func (r *running) interrupt() { syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT) }

// awaitLine reads on until a line has the part; git may not end before.
func (r *running) awaitLine(t *testing.T, part string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, more := <-r.lines:
			if strings.Contains(line, part) {
				return
			}
			if !more {
				t.Fatalf("git ended without saying %q", part)
			}
		case <-timeout:
			t.Fatalf("git did not say %q in %v", part, patience)
		}
	}
}

// awaitIdle waits until no receive holds a slot.
func (s *site) awaitIdle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.repo.acquireAll(ctx); err != nil {
		s.t.Fatalf("a receive is stuck: %v", err)
	}
	s.repo.releaseAll()
}

func TestProgressShowsWhileItIs(t *testing.T) {
	s := newSite(t)
	seen := make(chan struct{})
	s.cluster.follow = func(ctx context.Context, push Push, out io.Writer) error {
		fmt.Fprintln(out, "  shop_web  1/5")
		select {
		case <-seen:
			fmt.Fprintln(out, "  shop_web  5/5")
			return nil
		case <-time.After(patience):
			return errors.New("nobody saw it")
		}
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	push := c.start("push", "swarm", "main")
	push.awaitLine(t, "remote:   shop_web  1/5")
	s.wantRef("refs/heads/main", first) // moved, while it streams
	if got := c.git("ls-remote", "swarm", "main"); !strings.HasPrefix(got, first) {
		t.Errorf("ls-remote while streaming says %q", got)
	}
	close(seen)
	push.awaitLine(t, "shop_web  5/5")
	if err := await(t, "git push", push.ended); err != nil {
		t.Errorf("push: %v", err)
	}
}

func TestFixIsPushedWhileTheFirstStreams(t *testing.T) {
	s := newSite(t)
	superseded := make(chan struct{})
	streaming := make(chan struct{}, 2)
	s.cluster.follow = func(ctx context.Context, push Push, out io.Writer) error {
		if push.Commit.Subject == "the fix" {
			close(superseded)
			return nil
		}
		streaming <- struct{}{}
		<-superseded
		fmt.Fprintln(out, "superseded")
		return nil
	}
	c := s.clone()
	c.commit("a.yml", "a", "broken")
	push := c.start("push", "swarm", "main")
	await(t, "the rollout", streaming)
	fix := c.commit("a.yml", "b", "the fix")
	c.git("push", "swarm", "main")
	push.awaitLine(t, "superseded")
	if err := await(t, "the first push", push.ended); err != nil {
		t.Errorf("first push: %v", err)
	}
	s.wantRef("refs/heads/main", fix)
	s.wantNoLeftovers()
}

func TestInterruptWhileStreamingStopsOnlyWatching(t *testing.T) {
	s := newSite(t)
	stopped := make(chan struct{})
	s.cluster.follow = func(ctx context.Context, _ Push, out io.Writer) error {
		fmt.Fprintln(out, "rolling")
		<-ctx.Done()
		close(stopped)
		return ctx.Err()
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	push := c.start("push", "swarm", "main")
	push.awaitLine(t, "rolling")
	push.interrupt()
	await(t, "the end of watching", stopped)
	s.awaitIdle()
	s.wantRef("refs/heads/main", first)
	s.wantNoLeftovers()
}

func TestInterruptDuringCommitCommitsAnyway(t *testing.T) {
	s := newSite(t)
	committing, goOn := make(chan struct{}), make(chan struct{})
	s.cluster.commit = func(ctx context.Context, _ Push) error {
		close(committing)
		<-goOn
		return ctx.Err()
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	push := c.start("push", "swarm", "main")
	await(t, "the commit", committing)
	push.interrupt()
	await(t, "git's end", push.ended)
	close(goOn)
	s.awaitIdle()
	s.wantRef("refs/heads/main", first)
	s.wantNoLeftovers()
}

func TestInterruptDuringCheckChangesNothing(t *testing.T) {
	s := newSite(t)
	checking, cancelled := make(chan struct{}), make(chan struct{})
	s.cluster.check = func(ctx context.Context, _ Push, _ io.Writer) error {
		close(checking)
		<-ctx.Done()
		close(cancelled)
		return ctx.Err()
	}
	c := s.clone()
	c.commit("a.yml", "a", "first")
	push := c.start("push", "swarm", "main")
	await(t, "the check", checking)
	push.interrupt()
	await(t, "the check's end", cancelled)
	s.awaitIdle()
	s.wantRef("refs/heads/main", "")
	if n := s.packs(); n != 0 {
		t.Errorf("%d packs are stored", n)
	}
	s.wantNoLeftovers()
	s.cluster.check = nil
	c.git("push", "swarm", "main")
}

func TestTwoPushesAtOnce(t *testing.T) {
	s := newSite(t)
	var both sync.WaitGroup
	both.Add(2)
	s.cluster.check = func(context.Context, Push, io.Writer) error {
		both.Done()
		both.Wait()
		return nil
	}
	results := make(chan string, 2)
	for _, name := range []string{"ana", "ben"} {
		c := s.clone()
		c.commit(name, name, "of "+name)
		go func() {
			said, err := c.try("push", "swarm", "main")
			results <- fmt.Sprint(err == nil, " ", said)
		}()
	}
	one, two := await(t, "a push", results), await(t, "a push", results)
	if strings.HasPrefix(one, "true") == strings.HasPrefix(two, "true") {
		t.Fatalf("not exactly one went through:\n%s\n%s", one, two)
	}
	if !strings.Contains(one+two, "(swarmgit: fetch first)") {
		t.Errorf("the other was not told to fetch:\n%s\n%s", one, two)
	}
	s.wantRef("refs/heads/main", s.cluster.Refs()["refs/heads/main"])
	s.wantNoLeftovers()
}

// cutter passes a connection on until it has carried limit bytes to the server,
// then cuts both sides.
func cutter(t *testing.T, to string, limit int64) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				return
			}
			go io.Copy(client, server)
			go func() {
				io.CopyN(server, client, limit)
				client.Close()
				server.Close()
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestPushCutInTheMiddleLeavesNothing(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	c.commit("a.yml", "a", "first")
	c.git("push", "-q", "swarm", "main")
	first := s.cluster.Refs()["refs/heads/main"]
	second := c.commit("large", noise(3<<20), "large")
	for _, limit := range []int64{200, 5_000, 100_000, 1 << 20, 3 << 20} {
		at := cutter(t, s.http.Listener.Addr().String(), limit)
		if said, err := c.try("push", at+Path, "main"); err == nil {
			t.Errorf("cut after %d bytes, git push exits 0: %s", limit, said)
		}
		s.awaitIdle()
		s.wantRef("refs/heads/main", first)
		s.wantNoLeftovers()
		if n := s.packs(); n != 1 {
			t.Errorf("cut after %d bytes: %d packs, want the first", limit, n)
		}
	}
	c.git("push", "swarm", "main")
	s.wantRef("refs/heads/main", second)
}

func TestOutcomeNotKnownButDone(t *testing.T) {
	s := newSite(t)
	s.cluster.after = func(Push) error { return ErrOutcomeUnknown }
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	said, err := c.try("push", "swarm", "main")
	if err == nil || !strings.Contains(said, "unknown whether main moved: git fetch") {
		t.Errorf("push said %v, %s", err, said)
	}
	s.wantRef("refs/heads/main", first)
	if said := c.git("push", "swarm", "main"); !strings.Contains(said, "Everything up-to-date") {
		t.Errorf("pushing again says %s", said)
	}
}

func TestRowDecidesWhenTheLocalRefCannotMove(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	c.commit("a.yml", "a", "first")
	c.git("push", "-q", "swarm", "main")
	s.cluster.commit = func(ctx context.Context, push Push) error {
		// Somebody wrote into the data directory: git's own move will fail.
		_, err := s.repo.git(ctx, "", "update-ref", "-d", "refs/heads/main")
		return err
	}
	second := c.commit("a.yml", "b", "second")
	c.git("push", "swarm", "main")
	s.wantRef("refs/heads/main", second)
}

func TestNoWaitAnswersAtTheCommit(t *testing.T) {
	s := newSite(t)
	s.cluster.follow = func(context.Context, Push, io.Writer) error {
		t.Error("the rollout was followed")
		return nil
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	said := c.git("push", "-o", OptionNoWait, "-o", OptionAcceptPartial, "swarm", "main")
	if want := "not watched: swarmgit wait " + Short(first); !strings.Contains(said, want) {
		t.Errorf("no %q in\n%s", want, said)
	}
	if push := s.cluster.pushes[0]; !push.Has(OptionAcceptPartial) || push.Has(OptionAllowRemoval) {
		t.Errorf("options arrived as %q", push.Options)
	}
}

func TestOtherBranches(t *testing.T) {
	s := newSite(t)
	s.cluster.follow = func(context.Context, Push, io.Writer) error {
		t.Error("a branch that is not followed was followed")
		return nil
	}
	s.cluster.check = func(_ context.Context, push Push, out io.Writer) error {
		fmt.Fprintf(out, "%s forced=%v followed=%v\n", push.Branch(), push.Forced, push.Followed)
		return nil
	}
	c := s.clone()
	first := c.commit("a.yml", "a", "first")
	said := c.git("push", "swarm", "main:review/debug")
	for _, want := range []string{"review/debug forced=false followed=false", "not applied: the cluster follows main", "apply it: git push swarm HEAD:main"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	s.wantRef("refs/heads/review/debug", first)
	c.git("commit", "-q", "--amend", "-m", "reworded")
	if said := c.git("push", "--force", "swarm", "main:review/debug"); !strings.Contains(said, "forced=true") {
		t.Errorf("a rewound branch is not told as forced:\n%s", said)
	}
	c.git("push", "swarm", ":review/debug")
	s.wantRef("refs/heads/review/debug", "")
}

func TestCredentials(t *testing.T) {
	s := newSite(t)
	s.http.Config.Handler = requirePassword("s3cret", s.server)
	c := s.clone()
	c.commit("a.yml", "a", "first")
	if said, err := c.try("push", "swarm", "main"); err == nil || len(s.cluster.Refs()) != 0 {
		t.Errorf("without a token: %v, %s", err, said)
	}
	c.git("config", "credential.helper", "!f() { echo username=any; echo password=s3cret; }; f")
	c.git("push", "swarm", "main")
	c.commit("large", noise(2<<20), "larger than git sends without asking first")
	c.git("push", "swarm", "main")
	c.git("config", "credential.helper", "")
	c.git("-c", "http.extraHeader=Authorization: Bearer s3cret", "fetch", "swarm")

	for _, header := range []string{"", "Bearer", "Bearer s3cre", "Basic !", "s3cret"} {
		r, _ := http.NewRequest("GET", s.url()+"/info/refs?service=git-upload-pack", nil)
		r.Header.Set("Authorization", header)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 401 || answer.Header.Get("WWW-Authenticate") != `Basic realm="swarmgit"` {
			t.Errorf("%q is answered %s", header, answer.Status)
		}
	}
}

// requirePassword asks for it as who mounts the server does.
func requirePassword(password string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := r.BasicAuth()
		if given == "" {
			_, given, _ = strings.Cut(r.Header.Get("Authorization"), "Bearer ")
		}
		if given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="swarmgit"`)
			http.Error(w, "a password is wanted", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
