package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

func TestAnExternalSecretThatIsUsedStays(t *testing.T) {
	web := specs.TaskSpec{Image: "web", Secrets: []specs.FileRef{{Name: "tls", Version: "v1", Target: "/run/secrets/tls"}}}
	bare := specs.TaskSpec{Image: "web"}
	id := specs.ExternalID(specs.Secret, "tls")
	d := emptySnapshot().Draft(1)
	apply := func(tx specs.Transaction) error { return d.Apply(tx) }
	must := func(tx specs.Transaction) {
		t.Helper()
		if err := apply(tx); err != nil {
			t.Fatal(err)
		}
	}
	must(specs.Transaction{{Payload: payload("v1")}, {External: specs.Insert(id, specs.External{Kind: specs.Secret, Name: "tls", Payload: "v1"})}})
	must(specs.Transaction{{TaskSpec: &web}, {Service: specs.Insert("s", specs.Service{Spec: specs.ServiceSpec{Name: "shop_web", Task: encoding.HashTaskSpec(web)}})}})

	forget := specs.Transaction{{External: specs.Remove[specs.External](id, 1)}}
	if err := apply(forget); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "secret tls is used by service shop_web") {
		t.Fatalf("a secret that is used is forgotten: %v", err)
	}
	must(specs.Transaction{{TaskSpec: &bare}, {Spec: specs.Set("s", 1, specs.ServiceWant{Spec: specs.ServiceSpec{Name: "shop_web", Task: encoding.HashTaskSpec(bare)}})}})
	must(forget)
	if _, ok := d.Payload("v1"); ok {
		t.Error("a version that nobody names is not collected")
	}
}
