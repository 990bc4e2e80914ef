package reconciler

import (
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// A source that is changed keeps its stacks, also while what it names then cannot be
// read, and reads the same commit anew for other files.
func TestASourceIsChanged(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	tip := u.put(map[string]string{
		"stacks/shop/stack.yml": shop, "live/stacks/shop/stack.yml": strings.ReplaceAll(shop, "1.0", "2.0"),
	})
	if _, err := d.add(api.AddSourceRequest{Name: "infra"}, u); err != nil {
		t.Fatal(err)
	}
	image := func() string {
		snap := d.m.store.Snapshot()
		svc, _ := snap.ServiceNamed("shop_web")
		spec, _ := snap.TaskSpec(svc.Spec.Task)
		stack, _ := snap.Stack("shop")
		return stack.Source + " " + spec.Image
	}
	update := func(req api.UpdateSourceRequest, words ...string) {
		t.Helper()
		req.Name = "infra"
		said, err := sources{d.m}.Update(t.Context(), req)
		if err == nil && said == "" {
			said, err = d.sync("infra")
		}
		wantText(t, said, err, words...)
	}
	newest := d.newest("infra").ID
	every := specs.Duration(specs.MinSourceInterval)
	update(api.UpdateSourceRequest{Interval: &every}, "infra is at "+tip[:7])
	if source, _ := d.m.store.Snapshot().Source("infra"); source.Interval != every || source.Webhook == "" || d.newest("infra").ID != newest {
		t.Errorf("another interval: %+v, the newest revision is %+v", source, d.newest("infra"))
	}
	update(api.UpdateSourceRequest{Branch: new("none")}, "it has no branch none")
	update(api.UpdateSourceRequest{Branch: new("none2")}, "it has no branch none2")
	if got := image(); got != "infra demo/web:1.0" {
		t.Errorf("no such branch: %s", got)
	}
	if ref, _ := d.m.store.Snapshot().Ref("refs/sources/infra"); ref.Commit != "" || ref.Applied() != tip {
		t.Errorf("no such branch: %+v", ref)
	}
	update(api.UpdateSourceRequest{Branch: new("main"), Path: new("live")}, tip[:7], "rolling")
	if got := image(); got != "infra demo/web:2.0" || d.m.Refs()["refs/sources/infra"] != tip {
		t.Errorf("another folder: %s, refs %v", got, d.m.Refs())
	}
	if ref, _ := d.m.store.Snapshot().Ref("refs/sources/infra"); ref.Former != "" {
		t.Errorf("another folder: %+v", ref)
	}
	if err := (sources{d.m}).Suspend(t.Context(), "infra", true); err != nil {
		t.Fatal(err)
	}
	update(api.UpdateSourceRequest{Path: new("")}, "infra is changed, and looked at once it is resumed: swarmgit source resume infra")
	if err := (sources{d.m}).Suspend(t.Context(), "infra", false); err != nil {
		t.Fatal(err)
	}
	said, err := d.sync("infra")
	wantText(t, said, err, tip[:7], "rolling")
	other := newUpstream(t)
	first := other.put(map[string]string{"stacks/shop/stack.yml": strings.ReplaceAll(shop, "1.0", "3.0")})
	update(api.UpdateSourceRequest{URL: &other.work}, first[:7], "rolling")
	if got := image(); got != "infra demo/web:3.0" {
		t.Errorf("another repository: %s", got)
	}
	update(api.UpdateSourceRequest{}, "source update infra: nothing is to be changed")
	update(api.UpdateSourceRequest{Branch: new("a b")}, `source update infra: --branch "a b" is no name of a branch`)
	_, err = sources{d.m}.Update(t.Context(), api.UpdateSourceRequest{Name: "none", Branch: new("main")})
	wantText(t, "", err, "no such source: none")
}

// What was to be approved under the old words of a source is not approved under the
// new ones.
func TestAChangeOvertakesWhatAwaitsApproval(t *testing.T) {
	d, u := startOnDisk(t), newUpstream(t)
	u.put(map[string]string{"stacks/a/stack.yml": stackOf("demo/a:1"), "stacks/b/stack.yml": stackOf("demo/b:1"), "stacks/c/stack.yml": stackOf("demo/c:1")})
	if _, err := d.add(api.AddSourceRequest{Name: "infra"}, u); err != nil {
		t.Fatal(err)
	}
	u.put(map[string]string{"stacks/b/stack.yml": "", "stacks/c/stack.yml": ""})
	said, err := d.sync("infra")
	wantText(t, said, err, "swarmgit approve")
	waiting := d.newest("infra").ID
	if _, err := (sources{d.m}).Update(t.Context(), api.UpdateSourceRequest{Name: "infra", Path: new("/stacks/..")}); err != nil {
		t.Fatal(err)
	}
	if rev, _ := d.m.store.Snapshot().Revision(waiting); rev.Progress.State != specs.RevisionAwaiting {
		t.Errorf("nothing was changed, and it is %s", rev.Progress.State)
	}
	if _, err := (sources{d.m}).Update(t.Context(), api.UpdateSourceRequest{Name: "infra", Branch: new("other")}); err != nil {
		t.Fatal(err)
	}
	if rev, _ := d.m.store.Snapshot().Revision(waiting); rev.Progress.State != specs.RevisionSuperseded {
		t.Errorf("it is %s", rev.Progress.State)
	}
}

// What opens a repository goes to no other server.
func TestACredentialIsForItsServer(t *testing.T) {
	source := specs.Source{
		Name: "infra", URL: "https://git.example/infra.git", Branch: "main",
		Credential: &specs.Credential{User: "ana", Secret: "token"},
	}
	secret := func(text string) *specs.Hidden { return new(specs.Hidden(text)) }
	for name, c := range map[string]struct {
		req  api.UpdateSourceRequest
		want string // user:secret, "" for no credential; or the beginning of the error
	}{
		"a branch":                 {api.UpdateSourceRequest{Branch: new("stable")}, "ana:token"},
		"the same server":          {api.UpdateSourceRequest{URL: new("https://git.example/other.git")}, "ana:token"},
		"another user":             {api.UpdateSourceRequest{URL: new("https://ben@git.example/infra.git")}, "ben:token"},
		"another host":             {api.UpdateSourceRequest{URL: new("https://evil.example/infra.git")}, ""},
		"another port":             {api.UpdateSourceRequest{URL: new("https://git.example:8443/infra.git")}, ""},
		"in the clear":             {api.UpdateSourceRequest{URL: new("http://git.example/infra.git")}, ""},
		"another host, with one":   {api.UpdateSourceRequest{URL: new("https://evil.example/infra.git"), Secret: secret("other")}, ":other"},
		"on this machine":          {api.UpdateSourceRequest{URL: new("/srv/infra.git")}, ""},
		"over SSH without a key":   {api.UpdateSourceRequest{URL: new("git@git.example:infra.git")}, "over SSH the server must be known"},
		"a password in it":         {api.UpdateSourceRequest{URL: new("https://ana:pass@git.example/infra.git")}, "a password does not belong"},
		"another token":            {api.UpdateSourceRequest{Secret: secret("newer")}, "ana:newer"},
		"neither":                  {api.UpdateSourceRequest{Secret: secret(""), User: new("")}, ""},
		"a key of another kind":    {api.UpdateSourceRequest{SSHKey: secret("key")}, "--ssh-key and --known-hosts are for ssh://"},
		"known hosts for a server": {api.UpdateSourceRequest{KnownHosts: new("git.example")}, "--ssh-key and --known-hosts are for ssh://"},
	} {
		t.Run(name, func(t *testing.T) {
			changed, err := updated(source, c.req)
			got := ""
			switch {
			case err != nil:
				got = err.Error()
			case changed.Credential != nil:
				got = changed.Credential.User + ":" + string(changed.Credential.Secret)
			}
			if got != c.want && (err == nil || c.want == "" || !strings.HasPrefix(got, c.want)) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
