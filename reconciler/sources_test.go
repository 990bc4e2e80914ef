package reconciler

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// upstream is a repository elsewhere, and somebody's work in it.
type upstream struct{ *onDisk }

func newUpstream(t *testing.T) upstream {
	u := upstream{&onDisk{t: t, work: t.TempDir()}}
	u.git("init", "-q", "-b", "main")
	return u
}

// put commits these files, and removes those without text.
func (u upstream) put(files map[string]string) (commit string) {
	u.t.Helper()
	for name, text := range files {
		file := filepath.Join(u.work, name)
		err := os.MkdirAll(filepath.Dir(file), 0o700)
		if err == nil && text == "" {
			err = os.Remove(file)
		} else if err == nil {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			u.t.Fatal(err)
		}
	}
	u.git("add", "-A")
	u.git("commit", "-q", "--allow-empty", "-m", "change "+strings.Join(strings.Fields(u.t.Name()), ""))
	return u.git("rev-parse", "HEAD")
}

func stackOf(image string) string { return "services:\n  web:\n    image: " + image + "\n" }

// add follows the upstream, and looks at it.
func (d *onDisk) add(req api.AddSourceRequest, u upstream) (string, error) {
	d.t.Helper()
	req.URL = u.work
	if err := (sources{d.m}).Add(d.t.Context(), req); err != nil {
		d.t.Fatal(err)
	}
	return d.sync(req.Name)
}

func (d *onDisk) sync(name string) (string, error) { return sources{d.m}.Sync(d.t.Context(), name) }

// newest is the newest revision of a source.
func (d *onDisk) newest(source string) specs.Revision {
	d.t.Helper()
	var newest specs.Revision
	for rev := range d.m.store.Snapshot().Revisions() {
		if rev.Source == source {
			newest = rev
		}
	}
	return newest
}

func wantText(t *testing.T, got string, err error, words ...string) {
	t.Helper()
	if err != nil {
		got += "\n" + err.Error()
	}
	for _, word := range words {
		if !strings.Contains(got, word) {
			t.Errorf("%q is not in:\n%s", word, got)
		}
	}
}

// A commit of an outside source comes into the cluster as a push does, and one
// that touches one stack touches only that one.
func TestAnOutsideSourceIsFollowed(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	first := u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:1"), "stacks/b/stack.yml": stackOf("demo/b:1")})
	said, err := d.add(api.AddSourceRequest{Name: "infra"}, u)
	wantText(t, said, err, first[:7], "rolling")
	rev := d.newest("infra")
	if rev.Commit != first || strings.Join(rev.Changed, " ") != "a b" || rev.Stacks != 2 || rev.Author != "ana" {
		t.Errorf("revision %+v", rev)
	}
	before, _ := d.m.store.Snapshot().ServiceNamed("a_web")
	second := u.put(map[string]string{"stacks/b/stack.yml": stackOf("demo/b:2")})
	said, err = d.sync("infra")
	wantText(t, said, err, second[:7])
	after, _ := d.m.store.Snapshot().ServiceNamed("a_web")
	stack, _ := d.m.store.Snapshot().Stack("a")
	if rev := d.newest("infra"); strings.Join(rev.Changed, " ") != "b" || rev.Rewritten || after.SpecVersion != before.SpecVersion || stack.Revision != first {
		t.Errorf("revision %+v, stack a is of %s, its service went from %d to %d", rev, stack.Revision, before.SpecVersion, after.SpecVersion)
	}
	index := d.m.store.Snapshot().Index()
	said, err = d.sync("infra")
	wantText(t, said, err, "infra is at "+second[:7]+": rolling-out")
	if now := d.m.store.Snapshot().Index(); now != index {
		t.Errorf("a look at nothing new wrote %d entries", now-index)
	}
	if said := d.git("ls-remote", d.url); !strings.Contains(said, second+" refs/sources/infra") {
		t.Errorf("the remote has %s", said)
	}
}

// A history that was rewritten is applied and marked.
func TestARewrittenHistoryIsApplied(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:1")})
	u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:2")})
	if _, err := d.add(api.AddSourceRequest{Name: "infra"}, u); err != nil {
		t.Fatal(err)
	}
	u.git("checkout", "-q", "--orphan", "other")
	u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:3")})
	u.git("branch", "-q", "-M", "main")
	tip := u.git("rev-parse", "HEAD")
	u.git("reflog", "expire", "--expire=now", "--all")
	u.git("gc", "-q", "--prune=now") // the old commits are gone for good
	said, err := d.sync("infra")
	wantText(t, said, err, "infra: "+tip[:7]+" (the history was rewritten) rolling out")
	if rev := d.newest("infra"); rev.Commit != tip || !rev.Rewritten {
		t.Errorf("revision %+v", rev)
	}
}

// Who approves what cannot be approved any more reads what became of it.
func TestWhatAwaitsNoApproval(t *testing.T) {
	rev := func(n int, source string, state specs.RevisionState) specs.Change {
		r := specs.Revision{ID: fmt.Sprintf("r%d", n), Source: source, Commit: commit(n), Progress: specs.RevisionProgress{State: state}}
		return specs.Change{Revision: specs.Insert(r.ID, r)}
	}
	s := store.New()
	for _, err := range s.Apply(1, []specs.Transaction{{
		rev(1, "infra", specs.RevisionSuperseded), rev(2, "infra", specs.RevisionHealthy), rev(3, "apps", specs.RevisionSuperseded), rev(4, "edge", specs.RevisionAwaiting),
	}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]string{
		1: "0000001 awaits no approval any more: 0000002 came after it in the source infra, and is healthy (see: swarmgit revisions)",
		2: "0000002 awaits no approval: it is healthy (see: swarmgit revisions)",
		3: "0000003 awaits no approval any more: its source went back to what the cluster has (see: swarmgit source ls)",
		4: "",
		5: "the cluster has seen no commit",
	} {
		_, err := awaiting(s.Snapshot(), commit(n)[:7])
		if wantErr := want != ""; (err != nil) != wantErr || wantErr && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %q", n, err, want)
		}
	}
}

// A stack belongs to the first source that defines it. Another is refused by name
// until the stack is adopted, which restarts nothing and is seen at once.
func TestASecondDefinerIsRefusedUntilItAdopts(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	d.commit(shop)
	d.git("push", "-q", "-o", "no-wait", d.url, "main")
	before, _ := d.m.store.Snapshot().ServiceNamed("shop_web")
	tip := u.put(map[string]string{"stacks/shop/stack.yml": shop, "stacks/b/stack.yml": stackOf("demo/b:1")})
	said, err := d.add(api.AddSourceRequest{Name: "infra"}, u)
	wantText(t, said, err, `stack shop belongs to the source "main"`, "swarmgit source adopt shop --source infra")
	rev := d.newest("infra")
	if _, there := d.m.store.Snapshot().Stack("b"); there || rev.Progress.State != specs.RevisionRefused || rev.Commit != tip {
		t.Errorf("revision %+v; the other stack is there: %v", rev, there)
	}
	index := d.m.store.Snapshot().Index()
	said, err = d.sync("infra")
	wantText(t, said, err, "infra: "+tip[:7]+" is still refused")
	if now := d.m.store.Snapshot().Index(); now != index {
		t.Errorf("a second look at what is refused wrote %d entries", now-index)
	}
	if err := (sources{d.m}).Adopt(t.Context(), "shop", "infra"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.sync("infra"); err != nil {
		t.Fatal(err)
	}
	after, _ := d.m.store.Snapshot().ServiceNamed("shop_web")
	rev = d.newest("infra")
	if rev.Progress.State == specs.RevisionRefused || strings.Join(rev.Changed, " ") != "b" || after.SpecVersion != before.SpecVersion {
		t.Errorf("revision %+v; shop_web went from %d to %d", rev, before.SpecVersion, after.SpecVersion)
	}
	d.commit(strings.ReplaceAll(shop, "1.0", "2.0"))
	said, err = d.try("push", "-q", d.url, "main")
	wantText(t, said, err, `belongs to the source "infra"`, "swarmgit source adopt shop --source main")
}

// What removes much waits for approval, and is carried out when it is approved.
func TestALargeRemovalWaitsForApproval(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:1"), "stacks/b/stack.yml": stackOf("demo/b:1"), "stacks/c/stack.yml": stackOf("demo/c:1")})
	if _, err := d.add(api.AddSourceRequest{Name: "infra"}, u); err != nil {
		t.Fatal(err)
	}
	at := d.m.Refs()["refs/sources/infra"]
	u.put(map[string]string{"stacks/b/stack.yml": "", "stacks/c/stack.yml": ""})
	said, err := d.sync("infra")
	wantText(t, said, err, "this removes 2 whole stacks", "swarmgit approve")
	first := d.newest("infra")
	tip := u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:2")}) // overtakes what waits
	said, err = d.sync("infra")
	wantText(t, said, err, "this removes 2 whole stacks")
	if first, _ := d.m.store.Snapshot().Revision(first.ID); first.Progress.State != specs.RevisionSuperseded {
		t.Errorf("the first one is %s", first.Progress.State)
	}
	if _, there := d.m.store.Snapshot().Stack("b"); !there || d.m.Refs()["refs/sources/infra"] != at {
		t.Error("it was removed before it was approved")
	}
	var lines []string
	waited, err := d.m.Wait(t.Context(), tip[:7], func(line string) error { lines = append(lines, line); return nil })
	wantText(t, strings.Join(lines, "\n"), err, "awaiting approval: "+tip[:7], "swarmgit approve")
	if waited.Progress.State != specs.RevisionAwaiting || !strings.HasPrefix(waited.Progress.Reason, "this removes") {
		t.Errorf("waited for %+v", waited)
	}
	u.git("update-ref", "refs/heads/main", at) // back to where it was: nothing is left to approve
	said, err = d.sync("infra")
	wantText(t, said, err, "infra is at "+at[:7])
	if rev := d.newest("infra"); rev.Progress.State != specs.RevisionSuperseded {
		t.Errorf("the repository went back, and what it left is %s", rev.Progress.State)
	}
	u.git("update-ref", "refs/heads/main", tip)
	said, err = d.sync("infra")
	wantText(t, said, err, "this removes 2 whole stacks")
	asked, err := sources{d.m}.Approve(t.Context(), api.ApproveRequest{DryRun: true})
	if err != nil || asked.Commit != tip || strings.Join(asked.Plan.Changed, " ") != "a b c" {
		t.Errorf("%v, asked %+v", err, asked)
	}
	if _, err := (sources{d.m}).Approve(t.Context(), api.ApproveRequest{Rev: tip}); err != nil {
		t.Fatal(err)
	}
	if _, there := d.m.store.Snapshot().Stack("b"); there || d.m.Refs()["refs/sources/infra"] != tip || d.newest("infra").Progress.State == specs.RevisionAwaiting {
		t.Errorf("it was approved; the newest is %+v, the stack is there: %v", d.newest("infra"), there)
	}
	_, err = sources{d.m}.Approve(t.Context(), api.ApproveRequest{})
	wantText(t, "", err, "nothing awaits approval (see: swarmgit revisions)")
}

// A source that is removed leaves its stacks, which belong to who defines them
// next; with prune they go, after it was said.
func TestASourceIsRemoved(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	u.put(map[string]string{"stacks/shop/stack.yml": shop})
	if _, err := d.add(api.AddSourceRequest{Name: "infra"}, u); err != nil {
		t.Fatal(err)
	}
	before, _ := d.m.store.Snapshot().ServiceNamed("shop_web")
	if _, err := (sources{d.m}).Remove(t.Context(), api.RemoveSourceRequest{Name: "infra"}); err != nil {
		t.Fatal(err)
	}
	stack, there := d.m.store.Snapshot().Stack("shop")
	if _, followed := d.m.store.Snapshot().Source("infra"); followed || !there || stack.Source != "" || len(d.m.Refs()) != 0 {
		t.Errorf("stack %+v, refs %v", stack, d.m.Refs())
	}
	if _, err := d.add(api.AddSourceRequest{Name: "again"}, u); err != nil {
		t.Fatal(err)
	}
	after, _ := d.m.store.Snapshot().ServiceNamed("shop_web")
	stack, _ = d.m.store.Snapshot().Stack("shop")
	if stack.Source != "again" || after.Removed || after.SpecVersion != before.SpecVersion {
		t.Errorf("stack %+v, service %+v", stack, after)
	}
	said, err := sources{d.m}.Remove(t.Context(), api.RemoveSourceRequest{Name: "again", Prune: true, DryRun: true})
	if err != nil || strings.Join(said.Stacks, " ") != "shop" || said.Plan.Services[0].Service != "shop_web" {
		t.Errorf("%v, it would remove %+v", err, said)
	}
	if _, followed := d.m.store.Snapshot().Source("again"); !followed {
		t.Error("a look removed the source")
	}
	if _, err := (sources{d.m}).Remove(t.Context(), api.RemoveSourceRequest{Name: "again", Prune: true}); err != nil {
		t.Fatal(err)
	}
	if _, there := d.m.store.Snapshot().Stack("shop"); there {
		t.Error("the stack is still there")
	}
}

// A repository that is not as it should be is told in words, and removes nothing.
func TestOddRepositories(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	_, err := d.add(api.AddSourceRequest{Name: "infra", Path: "live"}, u)
	wantText(t, "", err, "the repository is empty")
	u.put(map[string]string{"live/stacks/a/stack.yml": stackOf("demo/a:1")})
	said, err := d.sync("infra")
	wantText(t, said, err, "rolling out")
	at := d.m.Refs()["refs/sources/infra"]
	for _, odd := range []struct {
		what  string
		make  func()
		words []string
	}{
		{"no branch", func() { u.git("branch", "-m", "main", "trunk") }, []string{"it has no branch main: there is trunk"}},
		{"no path", func() { u.git("mv", "live", "dead"); u.put(nil) }, []string{"live", "there is no such folder"}},
		{"no list", func() { u.git("rm", "-q", "live/stacks/a/stack.yml"); u.put(map[string]string{"live/README": "gone"}) }, []string{"no stack is in it"}},
		{"a link out", func() {
			u.git("rm", "-q", "live/stacks/a/stack.yml")
			u.link("/etc/passwd", "live/stacks/a/stack.yml")
		}, []string{"live/stacks/a/stack.yml", "symbolic link to /etc/passwd, out of the repository"}},
		{"a circle", func() {
			u.git("rm", "-q", "live/stacks/a/stack.yml")
			u.link("stack.yml", "live/stacks/a/stack.yml")
		}, []string{"leads in a circle"}},
		{"a submodule", func() {
			u.git("rm", "-q", "live/stacks/a/stack.yml")
			u.git("update-index", "--add", "--cacheinfo", "160000,"+at+",live/stacks/a/stack.yml")
			u.git("commit", "-q", "-m", "submodule")
		}, []string{"live/stacks/a/stack.yml", "submodule"}},
		{"a pointer of LFS", func() {
			u.put(map[string]string{"live/stacks/a/stack.yml": "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n"})
		}, []string{"live/stacks/a/stack.yml", "is a Git LFS pointer"}},
		{"names that differ by case", func() {
			u.put(map[string]string{"live/stacks/A/stack.yml": stackOf("demo/a:1")})
		}, []string{"is taken by stack"}},
		{"100,000 stacks", func() { u.crowd("stacks") }, []string{"live/stacks", "it has 100000 files and folders"}},
		{"a large file", func() {
			u.put(map[string]string{"live/stacks/a/stack.yml": strings.Repeat("# nothing\n", 200_000)})
		}, []string{"live/stacks/a/stack.yml", "is too large"}},
	} {
		u.git("checkout", "-q", "-f", "-B", "main", at)
		odd.make()
		said, err := d.sync("infra")
		wantText(t, odd.what+": "+said, err, odd.words...)
		if refs := d.m.Refs(); refs["refs/sources/infra"] != at {
			t.Errorf("%s: the source is at %v", odd.what, refs)
		}
	}
	u.git("checkout", "-q", "-f", "-B", "main", at)
	tip := u.crowd("elsewhere") // 100,000 files that are no stacks are none of our business
	said, err = d.sync("infra")
	wantText(t, said, err, tip[:7]+" rolling out")
	svc, there := d.m.store.Snapshot().ServiceNamed("a_web")
	if !there || svc.Removed {
		t.Error("the stack was removed")
	}
	if seen := (sources{d.m}).Seen("infra"); seen.Error != "" || seen.Looked.IsZero() {
		t.Errorf("the last look went well, and is %+v", seen)
	}
}

func (u upstream) link(to, name string) {
	u.t.Helper()
	file := filepath.Join(u.work, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		u.t.Fatal(err)
	}
	if err := os.Symlink(to, file); err != nil {
		u.t.Fatal(err)
	}
	u.put(nil)
}

// crowd commits a folder of 100,000 files, below live or beside it.
func (u upstream) crowd(folder string) (commit string) {
	u.t.Helper()
	var list strings.Builder
	blob := u.git("hash-object", "-w", "--stdin")
	for i := range 100_000 {
		fmt.Fprintf(&list, "100644 blob %s\ts%06d.yml\n", blob, i)
	}
	entry := "040000 tree " + u.mktree(list.String()) + "\t" + folder + "\n"
	root := "040000 tree " + u.git("rev-parse", "HEAD:live") + "\tlive\n" + entry
	if folder == "stacks" {
		root = "040000 tree " + u.mktree(entry) + "\tlive\n"
	}
	commit = u.git("commit-tree", "-p", "HEAD", "-m", "crowd", u.mktree(root))
	u.git("update-ref", "refs/heads/main", commit)
	return commit
}

func (u upstream) mktree(list string) string {
	u.t.Helper()
	cmd := exec.Command("git", "mktree")
	cmd.Dir, cmd.Stdin = u.work, strings.NewReader(list)
	tree, err := cmd.Output()
	if err != nil {
		u.t.Fatal(err)
	}
	return strings.TrimSpace(string(tree))
}

// A source may follow whatever branch git can have, and no other: it would never be
// found.
func TestBranchesOfSources(t *testing.T) {
	for branch, good := range map[string]bool{
		"": true, "release/1.x": true, "-x": true, strings.Repeat("x", 250): true,
		"a.lock": false, "a/": false, "a//b": false, "a.": false, "@{u}": false, "a b": false,
	} {
		_, err := newSource(api.AddSourceRequest{Name: "infra", URL: "https://git.example/infra.git", Branch: branch})
		if (err == nil) != good {
			t.Errorf("%q: %v", branch, err)
		}
	}
}
