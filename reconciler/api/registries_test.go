package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const registryPassword = "canary-of-the-registry"

// hub is registries that all know ana, and a seal that hides what it is given.
type hub struct {
	Keys
	tried []string
}

func (h *hub) TryLogin(_ context.Context, host string, login specs.Login) error {
	h.tried = append(h.tried, host)
	if login.User != "ana" || login.Password != registryPassword {
		return errors.New("the registry does not know the user " + login.User + " with this password")
	}
	return nil
}

func (h *hub) Seal(content []byte) []byte {
	sealed := bytes.Clone(content)
	for i := range sealed {
		sealed[i] ^= 0xff
	}
	return sealed
}

func TestRegistryLogins(t *testing.T) {
	w, h := prod(t), &hub{}
	s := w.server()
	s.Keys, s.Registries = h, h
	login := func(host, user, password string) (Registry, error) {
		return s.loginRegistry(t.Context(), LoginRegistryRequest{Host: host, Login: specs.Login{User: user, Password: specs.Hidden(password)}})
	}
	list := func() string {
		reply, err := s.listRegistries(t.Context(), Empty{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(reply)
		if err != nil || strings.Contains(string(text), "canary") {
			t.Errorf("the list shows %s, %v", text, err)
		}
		var all []string
		for _, r := range reply.Registries {
			all = append(all, r.Host+" "+r.User)
		}
		return strings.Join(all, ", ")
	}

	_, err := login("registry.example:5000", "ana", "wrong")
	wantKind(t, err, wire.InvalidArgument, "registry login registry.example:5000: the registry does not know the user ana with this password; the login was not kept")
	_, err = login("registry.example:5000", "ana", "")
	wantKind(t, err, wire.InvalidArgument, "registry login registry.example:5000: a user and a password are needed")
	if got := list(); got != "" {
		t.Errorf("a refused login is kept: %s", got)
	}
	w.before = func() { // somebody else changes the cluster's row at the same time
		cluster := w.Snapshot().Cluster()
		cluster.Spec.OrphanAfter = specs.Duration(5)
		w.apply(specs.Change{Cluster: &cluster})
	}
	for _, host := range []string{"registry.example:5000", "https://Index.docker.io/v1/", "registry-1.docker.io", "registry.example:5000/"} {
		if _, err := login(host, "ana", registryPassword); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if got := list(); got != "docker.io ana, registry.example:5000 ana" {
		t.Errorf("kept: %s", got)
	}
	cluster := w.Snapshot().Cluster()
	kept, _ := cluster.Registry("docker.io")
	if cluster.Spec.OrphanAfter != 5 || string(kept.Secret) != string(h.Seal([]byte(registryPassword))) {
		t.Errorf("the cluster's row is %+v", cluster)
	}

	if _, err := s.logoutRegistry(t.Context(), ByName{Name: "docker.io"}); err != nil {
		t.Error(err)
	}
	_, err = s.logoutRegistry(t.Context(), ByName{Name: "docker.io"})
	wantKind(t, err, wire.NotFound, "the cluster keeps no login for registry docker.io (see: swarmgit registry ls)")
	if got := list(); got != "registry.example:5000 ana" {
		t.Errorf("after a logout: %s", got)
	}
	tried := len(h.tried)
	for _, host := range []string{"", "shop", "registry.example/shop", "a b", "ftp://x.example", "-"} {
		if _, err := login(host, "ana", registryPassword); wire.KindOf(err) != wire.InvalidArgument || len(h.tried) != tried {
			t.Errorf("host %q: %v", host, err)
		}
	}
}
