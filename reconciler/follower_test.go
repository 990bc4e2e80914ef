package reconciler

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
)

// elsewhere is a repository in memory that can fail, and be mute.
type elsewhere struct {
	mu    sync.Mutex
	tip   string
	files fstest.MapFS
	err   error
	mute  bool
	looks []time.Time
}

func (e *elsewhere) Tip(ctx context.Context) (string, error) {
	e.mu.Lock()
	e.looks = append(e.looks, time.Now())
	tip, err, mute := e.tip, e.err, e.mute
	e.mu.Unlock()
	if mute {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return tip, err
}

func (e *elsewhere) Take(_ context.Context, commit, _ string) (git.Commit, fs.FS, bool, error) {
	return git.Commit{Hash: commit, Author: "ana", Subject: "one"}, e.files, false, nil
}

func (e *elsewhere) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// at says when it was looked at, and forgets that.
func (e *elsewhere) at() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	looks := e.looks
	e.looks = nil
	return looks
}

// follows has the manager follow repositories in memory.
func (m *Manager) follows(t *testing.T, all map[string]*elsewhere) {
	t.Helper()
	m.reading = func(s specs.Source) reading { return all[s.Name] }
	for name := range all {
		if err := (sources{m}).Add(t.Context(), api.AddSourceRequest{Name: name, URL: "/srv/" + name}); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
}

// A source that fails rests longer each time, says why, removes nothing, and is
// back to its interval once it can be read. Neither it nor one that is mute
// delays the others.
func TestAFailingSourceBacksOff(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		well := &elsewhere{tip: commit(1), files: tree(shop)}
		ill := &elsewhere{tip: commit(2), files: fstest.MapFS{"stacks/b/stack.yml": {Data: []byte(stackOf("demo/b:1"))}}}
		m.follows(t, map[string]*elsewhere{"well": well, "ill": ill, "mute": {mute: true}})
		if _, there := m.store.Snapshot().Stack("b"); !there {
			t.Fatal("the first look took nothing")
		}
		ill.fail(errors.New("no route to host"))
		ill.at()
		well.at()
		later(2 * time.Hour)
		looks := ill.at()
		for i := 1; i < len(looks); i++ {
			want := min(time.Minute<<i, maxBackoff)
			if rest := looks[i].Sub(looks[i-1]); rest < want*9/10 || rest > want*11/10 {
				t.Errorf("rest %d took %s, want about %s", i, rest, want)
			}
		}
		if n := len(well.at()); n < 105 || n > 135 {
			t.Errorf("the source that is well was looked at %d times in two hours", n)
		}
		seen := sources{m}.Seen("ill")
		if seen.Error != "no route to host" || seen.Failures != len(looks) || !seen.Since.Equal(looks[0]) || !seen.Next.After(m.raft.Now()) {
			t.Errorf("after %d looks, the first at %s: %+v", len(looks), looks[0], seen)
		}
		if mute := (sources{m}).Seen("mute"); !strings.Contains(mute.Error, "not done within 10m") {
			t.Errorf("of the mute one it says %q", mute.Error)
		}
		if stack, there := m.store.Snapshot().Stack("b"); !there || stack.Source != "ill" {
			t.Errorf("the stack is %+v", stack)
		}
		ill.fail(nil)
		later(maxBackoff + maxBackoff/5)
		ill.at()
		later(time.Hour)
		if n := len(ill.at()); n < 52 || n > 68 || (sources{m}).Seen("ill").Error != "" {
			t.Errorf("well again it was looked at %d times in an hour, %+v", n, sources{m}.Seen("ill"))
		}
	})
}

// A commit that was refused because a secret is missing is taken once somebody has
// created it, without being asked for and before the source's interval is over.
func TestARefusedSourceIsTriedAgainWhenASecretComes(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		const stack = "services:\n  web:\n    image: demo/web:1\n    secrets: [tls]\nsecrets:\n  tls:\n    external: true\n"
		source, other := &elsewhere{tip: commit(1), files: tree(stack)}, &elsewhere{tip: commit(2), files: fstest.MapFS{"stacks/b/stack.yml": {Data: []byte(stackOf("demo/b:1"))}}}
		m.follows(t, map[string]*elsewhere{"infra": source, "well": other})
		if rev := lastRevision(m.store.Snapshot(), "infra"); rev.Progress.State != specs.RevisionRefused {
			t.Fatalf("without its secret it is %+v", rev.Progress)
		}
		source.at()
		other.at()
		create := func(kind specs.FileKind, name string) {
			payload := m.Payload(kind, []byte("content"))
			m.write(t, specs.Change{Payload: &payload}, specs.Change{External: specs.Insert(specs.ExternalID(kind, name),
				specs.External{ID: specs.ExternalID(kind, name), Kind: kind, Name: name, Payload: payload.Version})})
			later(2 * hintGap)
		}
		create(specs.Config, "tls")
		if rev := lastRevision(m.store.Snapshot(), "infra"); rev.Progress.State != specs.RevisionRefused || len(source.at()) != 1 {
			t.Errorf("with a config of that name it is %+v", rev.Progress)
		}
		create(specs.Secret, "tls")
		rev := lastRevision(m.store.Snapshot(), "infra")
		if rev.Commit != commit(1) || rev.Progress.State != specs.RevisionRollingOut || len(source.at()) != 1 || len(other.at()) != 0 {
			t.Errorf("with its secret it is %+v", rev.Progress)
		}
	})
}

// A suspended source is not looked at, a resumed one at once. Another term finds
// in the store where a source is, and takes nothing twice.
func TestSuspensionAndAnotherTerm(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		source := &elsewhere{tip: commit(1), files: tree(shop)}
		m.follows(t, map[string]*elsewhere{"infra": source})
		if err := (sources{m}).Suspend(t.Context(), "infra", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		source.at()
		later(time.Hour)
		if looks := source.at(); len(looks) != 0 {
			t.Errorf("%d looks at a suspended source", len(looks))
		}
		_, err := sources{m}.Sync(t.Context(), "infra")
		wantText(t, "", err, "it is suspended: swarmgit source resume infra")
		before := m.store.Snapshot()
		row, _ := before.Source("infra")
		one := &follower{m: m, source: row, from: source}
		_, said, err := one.look(t.Context())
		if after := m.store.Snapshot(); after.Index() != before.Index() {
			t.Errorf("another term wrote %d entries: %s, %v", after.Index()-before.Index(), said, err)
		}
		source.at()
		if err := (sources{m}).Suspend(t.Context(), "infra", false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if looks := source.at(); len(looks) != 1 {
			t.Errorf("%d looks after it was resumed", len(looks))
		}
	})
}

// A look that began before its source was changed writes nothing down: what it found
// would else be approved under the new words of the source.
func TestALookThatWasOvertakenWritesNothing(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"to be approved": {"stacks/a/stack.yml": {Data: []byte(stackOf("demo/a:1"))}},
		"refused":        tree("services: 1"),
		"taken":          {"stacks/a/stack.yml": {Data: []byte(stackOf("demo/a:2"))}, "stacks/b/stack.yml": {Data: []byte(stackOf("demo/b:1"))}, "stacks/c/stack.yml": {Data: []byte(stackOf("demo/c:1"))}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, true, func(t *testing.T, m *Manager) {
				source := &elsewhere{tip: commit(1), files: fstest.MapFS{}}
				for _, stack := range []string{"a", "b", "c"} {
					source.files["stacks/"+stack+"/stack.yml"] = &fstest.MapFile{Data: []byte(stackOf("demo/" + stack + ":1"))}
				}
				m.follows(t, map[string]*elsewhere{"infra": source})
				row, _ := m.store.Snapshot().Source("infra")
				overtaken := &follower{m: m, source: row, from: source}
				if _, err := (sources{m}).Update(t.Context(), api.UpdateSourceRequest{Name: "infra", Branch: new("other")}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				before := m.store.Snapshot().Index()
				source.tip, source.files = commit(2), files
				_, said, err := overtaken.look(t.Context())
				wantText(t, said, err, "the source was changed meanwhile")
				if after := m.store.Snapshot().Index(); after != before {
					t.Errorf("%d entries were written; the newest revision is %+v", after-before, lastRevision(m.store.Snapshot(), "infra"))
				}
			})
		})
	}
}

// A webhook with the right signature brings a look soon, and any number of them
// but one. All others are answered alike.
func TestWebhook(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		source := &elsewhere{tip: commit(1), files: tree(shop)}
		m.follows(t, map[string]*elsewhere{"infra": source})
		hook, err := sources{m}.Webhook(t.Context(), "infra", false)
		if err != nil {
			t.Fatal(err)
		}
		body := []byte(`{"ref": "refs/heads/evil"}`)
		call := func(name, header, signature string) (int, string) {
			r := httptest.NewRequest(http.MethodPost, api.WebhookPath+name, bytes.NewReader(body))
			r.Header.Set(header, signature)
			w := httptest.NewRecorder()
			m.people().ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		sign := func(key string) string {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write(body)
			return hex.EncodeToString(mac.Sum(nil))
		}
		source.at()
		_, refused := call("infra", "X-Hub-Signature-256", "sha256="+sign("another"))
		for _, wrong := range [][3]string{
			{"nobody", "X-Hub-Signature-256", "sha256=" + sign(hook.Key)}, {"nobody", "X-Hub-Signature-256", "sha256=" + sign("")},
			{"main", "X-Hub-Signature-256", "sha256=" + sign("")}, {"infra", "X-Hub-Signature-256", ""}, {"infra", "X-Other", sign(hook.Key)},
		} {
			if code, said := call(wrong[0], wrong[1], wrong[2]); code != http.StatusForbidden || said != refused {
				t.Errorf("%v: %d %s", wrong, code, said)
			}
		}
		later(hintGap + time.Second)
		if looks := source.at(); len(looks) != 0 {
			t.Errorf("%d looks after calls that were refused", len(looks))
		}
		for _, header := range []string{"X-Hub-Signature-256", "X-Gitea-Signature", "X-Signature-256"} {
			if code, said := call("infra", header, sign(hook.Key)); code != http.StatusAccepted || said != "" {
				t.Errorf("%s: %d %s", header, code, said)
			}
		}
		synctest.Wait()
		later(hintGap + time.Second)
		if looks := source.at(); len(looks) < 1 || len(looks) > 2 {
			t.Errorf("%d looks after three calls", len(looks))
		}
		rotated, err := sources{m}.Webhook(t.Context(), "infra", true)
		if code, _ := call("infra", "X-Hub-Signature-256", sign(hook.Key)); err != nil || rotated.Key == hook.Key || code != http.StatusForbidden {
			t.Errorf("%v: the old key is answered with %d", err, code)
		}
	})
}

// The rest after a look grows with failures and stays within a tenth of what it
// is to be; it is never longer than maxBackoff, unless the interval is.
func TestLookAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(int64(specs.MinSourceInterval), int64(24*time.Hour)).Draw(t, "every"))
		failures := rapid.IntRange(0, 1000).Draw(t, "failures")
		draw := rapid.Float64Range(0, 1).Draw(t, "draw")
		rest, more := lookAfter(every, failures, draw), lookAfter(every, failures+1, draw)
		longest := max(every, maxBackoff)
		if rest < every*9/10 || rest > longest*11/10 || more < rest {
			t.Fatalf("rest %s, then %s", rest, more)
		}
	})
}
