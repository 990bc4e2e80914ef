package main

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newUpstream is somebody's repository that is not the cluster's.
func newUpstream(t testing.TB) *realCluster {
	t.Helper()
	u := &realCluster{dir: t.TempDir()}
	if err := os.MkdirAll(u.path("clone"), 0o700); err != nil {
		t.Fatal(err)
	}
	u.mustGit(t, "init", "--quiet", "--initial-branch=main")
	return u
}

// gitHost serves a repository as git itself does, to who knows the token, unless it
// is down.
type gitHost struct {
	down atomic.Bool
	git  http.Handler
}

const forgeToken = "s3cret-of-the-host"

func newGitHost(t *testing.T, u *realCluster) (*gitHost, string) {
	t.Helper()
	f := &gitHost{git: &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(u.mustGit(t, "--exec-path")), "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + u.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull},
	}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL + "/clone"
}

func (f *gitHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	switch {
	case f.down.Load():
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	case password != forgeToken:
		http.Error(w, "no", http.StatusUnauthorized)
	default:
		f.git.ServeHTTP(w, r)
	}
}

// oneTask is a stack of one task.
func oneTask(image string) string {
	return "services:\n  web:\n    image: " + image + "\n    command: [count]\n    deploy: {update_config: {monitor: 100ms}}\n"
}

// sourceStory is what a person does in it. said keeps all that was printed.
type sourceStory struct {
	*realCluster
	t    *testing.T
	said strings.Builder
}

// says runs a command that must exit so and say these words.
func (s *sourceStory) says(code int, args string, words ...string) {
	s.t.Helper()
	out, errs, got := s.swarmgit(strings.Fields(args)...)
	s.said.WriteString(out + errs)
	if got != code {
		s.t.Errorf("%s exits %d, not %d", args, got, code)
	}
	wantWords(s.t, out+errs, words...)
}

// processes are the running tasks and their processes.
func (s *sourceStory) processes() map[string]int {
	all := map[string]int{}
	for _, task := range s.running(s.t) {
		all[task.Name+" "+task.ID] = task.Seen.PID
	}
	return all
}

// TestSources follows two repositories beside the cluster's own remote. One fails
// and is rewritten, the other takes a stack over; nothing stops that a commit
// does not stop.
func TestSources(t *testing.T) {
	s := &sourceStory{realCluster: theCluster(t), t: t}
	infra, lab := newUpstream(t), newUpstream(t)
	t.Cleanup(func() {
		for _, name := range []string{"infra", "lab"} {
			s.swarmgit("source", "rm", name, "--prune", "--yes") // it may be gone already
		}
	})
	down, url := newGitHost(t, infra)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(forgeToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	s.push(t, shop("e2e/app:1", 1))
	first := infra.commit(t, map[string]string{"live/stacks/edge/stack.yml": oneTask("e2e/app:1")})
	s.says(1, "source add infra "+url+" --path live", "infra is followed from now on, and is tried again", "it asks for credentials: give --token-file")
	s.says(0, "source update infra --interval 1h --token-file "+token, "infra", first[:7])
	s.says(0, "wait "+first, "healthy: "+first[:7])
	s.says(1, "service scale edge/web=3", "edge_web is what live/stacks/edge/stack.yml", " in "+url+" says", "change it there, commit and git push")
	other := lab.commit(t, map[string]string{"stacks/lab/stack.yml": oneTask("e2e/app:1")})
	s.says(0, "source add lab "+lab.path("clone"), other[:7])
	s.says(0, "wait "+other, "healthy: "+other[:7])
	if n := len(s.running(t)); n != 3 {
		t.Errorf("%d tasks run, not 3", n)
	}

	down.down.Store(true)
	before := s.processes()
	s.says(1, "source sync infra", "source infra: "+url, "it answers with status 503", "what runs goes on")
	s.says(0, "source ls", "infra", "it answers with status 503", "next try in", lab.path("clone"), "(pushed)")
	s.says(0, "status", "! source infra: it answers with status 503", "infra: "+first[:7], "lab: "+other[:7], "main: ")
	other = lab.commit(t, map[string]string{"stacks/lab/stack.yml": oneTask("e2e/app:2")})
	s.says(0, "source sync lab", other[:7])
	s.says(0, "wait "+other, "healthy: "+other[:7])
	after := s.processes()
	kept := 0
	for name, pid := range before {
		if after[name] == pid {
			kept++
		}
	}
	if kept != 2 || len(after) != 3 {
		t.Errorf("a commit of one source left %d of the other two tasks alone: %v, then %v", kept, before, after)
	}

	down.down.Store(false)
	infra.mustGit(t, "checkout", "--quiet", "--orphan", "again")
	rewritten := infra.commit(t, map[string]string{"live/stacks/edge/stack.yml": oneTask("e2e/app:3")})
	infra.mustGit(t, "branch", "--quiet", "-M", "main")
	s.says(0, "source sync infra", rewritten[:7]+" (the history was rewritten) rolling out")
	s.says(0, "wait "+rewritten, "healthy: "+rewritten[:7])
	s.says(0, "revisions", "SOURCE", "infra", "healthy, rewritten")

	s.says(1, "source update infra --branch gone", "infra is changed, and is tried again", "it has no branch gone")
	s.says(0, "status", "! source infra: nothing was taken since it was changed: it has no branch gone", "infra: "+rewritten[:7], "healthy since")
	s.says(0, "source ls", rewritten[:7]+" healthy", "nothing was taken since it was changed: it has no branch gone")
	s.says(1, "service scale edge/web=3", "read the files of the source infra: none were taken since it was changed", "swarmgit source sync infra")
	s.says(0, "source update infra --branch main", rewritten[:7])
	s.says(0, "wait "+rewritten, "healthy: "+rewritten[:7])

	taking := lab.commit(t, shop("e2e/app:1", 1))
	s.says(0, "source sync lab", "refused: ", `stack shop belongs to the source "main"`, "swarmgit source adopt shop --source lab")
	before = s.processes()
	s.says(0, "source adopt shop --source lab", "stack shop belongs to lab")
	s.says(0, "source sync lab", taking[:7])
	s.says(0, "wait "+taking, "healthy: "+taking[:7])
	if diff := cmp.Diff(before, s.processes()); diff != "" {
		t.Errorf("an adoption restarted tasks: %s", diff)
	}
	s.push(t, map[string]string{"stacks/shop/stack.yml": "", "README": "shop is elsewhere now"})
	s.says(0, "wait", "healthy")

	s.kill()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	s.says(0, "source sync infra", "infra is at "+rewritten[:7]+": healthy")
	s.says(0, "source rm lab", "what goes on and belongs to nobody: lab, shop")
	s.says(1, "service rm lab_web", "service rm: lab_web is in no file that the cluster follows: its source was removed")
	s.says(1, "source rm infra --prune", "- edge_web", "nothing was changed: answer y, or say --yes")
	s.says(0, "source ls -o json", `"infra"`)
	if diff := cmp.Diff(before, s.processes()); diff != "" {
		t.Errorf("tasks were restarted: %s", diff)
	}
	s.says(0, "source add lab "+lab.path("clone"))
	s.says(0, "source rm lab --prune --yes", "removed with it: lab, shop")
	s.says(0, "source rm infra --prune --yes", "removed with it: edge")
	s.await(t, "nothing runs", func() bool { return len(s.running(t)) == 0 })
	log, err := os.ReadFile(s.path("daemon.log"))
	if err != nil || strings.Contains(string(log)+s.said.String(), forgeToken) {
		t.Errorf("the token was shown: %v", err)
	}
}
