package containerd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/images"

	"github.com/swarmgit/swarmgit/specs"
)

func TestChosen(t *testing.T) {
	img := func(name, pulledAs, id string) images.Image {
		i := images.Image{Name: name, Labels: map[string]string{labelPulledAs: pulledAs}}
		if _, err := fmt.Sscan("sha256:"+id+strings.Repeat("0", 64-len(id)), &i.Target.Digest); err != nil {
			t.Fatal(err)
		}
		return i
	}
	named := func(id string) string { return "r.example/web@sha256:" + id + strings.Repeat("0", 64-len(id)) }
	all := []images.Image{
		img("docker.io/library/web:1", "", "aa"),
		img(named("bb"), "docker.io/library/web:1", "bb"),
		img(named("cc"), "r.example/web:2", "cc"),
		img(named("dd"), "r.example/web:latest", "dd"),
		img(named("ee"), "r.example/web:latest", "ee"),
		img(named("ff"), "", "ff"),
	}
	for ref, want := range map[string]string{
		"web:1":                               "docker.io/library/web:1",
		"r.example/web:2":                     named("cc"),
		"r.example/web:2@" + named("cc")[14:]: named("cc"),
		named("ff"):                           named("ff"),
		"bb0000000000":                        named("bb"),
		named("cc")[14:]:                      named("cc"),
		strings.TrimPrefix(named("cc")[14:], "sha256:"): named("cc"),
		"r.example/web":   "it may be any of " + named("dd") + ", " + named("ee") + ": say which",
		"bb000000000":     errNoSuchImage.Error(),
		"bb0000000001":    errNoSuchImage.Error(),
		"r.example/web:3": errNoSuchImage.Error(),
		"":                "this is no name of an image",
		"Web":             "this is no name of an image",
	} {
		got, err := chosen(all, ref)
		if said := got.Name + fmt.Sprint(err); said != want+"<nil>" && said != want {
			t.Errorf("%q is %s, %v, want %s", ref, got.Name, err, want)
		}
	}
}

// A tag with its digest, as the managers give it to tasks, is what people know the
// image by.
func TestImagePulledByDigestIsNamedByItsTag(t *testing.T) {
	b := newBench(t)
	img := freshImage(t)
	repository := testRegistry(t, img)
	sum, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	task := b.unowned(specs.TaskSpec{Image: repository + ":2@" + sum.String()})
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	all, err := b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range all {
		if img.Name == repository+"@"+sum.String() && img.PulledAs != repository+":2" {
			t.Errorf("it is listed as %+v", img)
		}
	}
	if err := b.RemoveImage(t.Context(), repository+":2"); err != nil {
		t.Error(err)
	}
	b.wantImages(t, "removed by its tag", repository)
}
