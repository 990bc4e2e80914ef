package containerd

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/images"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

func TestNextToGo(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		unused []time.Duration // for how long
		disk   int
		want   int // -1 is none
	}{
		{"nothing", nil, 99, -1},
		{"not for long enough", []time.Duration{0, 24*time.Hour - time.Second}, 85, -1},
		{"for a day", []time.Duration{time.Hour, 24 * time.Hour}, 10, 1},
		{"the oldest first", []time.Duration{25 * time.Hour, 30 * time.Hour, 24 * time.Hour}, 10, 1},
		{"a full disk", []time.Duration{0, time.Minute, 0}, 86, 1},
		{"a clock that was set back", []time.Duration{-time.Hour}, 10, -1},
	} {
		var all []held
		for _, d := range c.unused {
			all = append(all, held{unused: now.Add(-d)})
		}
		got, ok := nextToGo(all, now, c.disk)
		if !ok {
			got = -1
		}
		if got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMeaning(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	img := func(name string) images.Image {
		i := images.Image{Name: name}
		i.Target.Digest = digest
		return i
	}
	for _, c := range []struct {
		ref, name string
		want      bool
	}{
		{"web", "docker.io/library/web:latest", true},
		{"web:1", "docker.io/library/web:latest", false},
		{"r.example/web:1@" + digest, "r.example/web@" + digest, true},
		{"r.example/web:1@" + digest, "other.example/copy:3", true},
		{"r.example/web:1@" + strings.Replace(digest, "0", "f", 1), "other.example/copy:3", false},
		{"", "docker.io/library/web:latest", false},
	} {
		if got := meant(c.ref).has(img(c.name)); got != c.want {
			t.Errorf("%q means %s: %t", c.ref, c.name, got)
		}
	}
}

// collector is an engine of its own over the tests' containerd, whose disk is as
// full as the test says, and what it logs.
func collector(t *testing.T) (b *bench, disk *int, logged *bytes.Buffer) {
	t.Helper()
	b, disk, logged = newBench(t), new(int), &bytes.Buffer{}
	b.diskUse = func(context.Context) (int, error) { return *disk, nil }
	b.log = slog.New(slog.NewTextHandler(logged, nil))
	return b, disk, logged
}

// names are the images of the node that a repository has, without its name.
func (b *bench) names(t *testing.T, repository string) (tags []string) {
	t.Helper()
	all, err := b.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range all {
		if tag, ok := strings.CutPrefix(img.Name, repository); ok {
			tags = append(tags, tag)
		}
	}
	return tags
}

func (b *bench) wantImages(t *testing.T, when, repository string, want ...string) {
	t.Helper()
	if got := b.names(t, repository); !slices.Equal(got, want) {
		t.Errorf("%s: %q are here, want %q", when, got, want)
	}
}

// TestCollect is the whole life of images from a registry, and of some that stay:
// loaded, a stranger's, needed, used.
func TestCollect(t *testing.T) {
	b, disk, logged := collector(t)
	img := freshImage(t)
	repository := testRegistry(t, img)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	one, two := repository+":1", repository+":2"
	loaded, strangers := repository+":loaded", repository+":strangers"
	now := time.Now()
	collect := func(later time.Duration, needed ...string) {
		t.Helper()
		if err := b.Collect(t.Context(), needed, now.Add(later)); err != nil {
			t.Fatal(err)
		}
	}

	user := b.task(t, specs.TaskSpec{Image: one})
	passing := b.unowned(specs.TaskSpec{Image: two})
	for _, task := range []executor.Task{user, passing} {
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Remove(t.Context(), passing.ID); err != nil {
		t.Fatal(err)
	}
	var tar bytes.Buffer
	if err := Archive(&tar, loaded, freshImage(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Load(t.Context(), &tar); err != nil {
		t.Fatal(err)
	}
	foreign, err := b.client.ImageService().Get(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	foreign.Name, foreign.Labels = strangers, nil
	if _, err := b.client.ImageService().Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	b.removeLater(t, loaded, strangers)

	collect(0, two)
	collect(23*time.Hour, two) // needed until now: its day has not begun
	collect(47*time.Hour-time.Second, two)
	collect(47 * time.Hour)
	collect(71*time.Hour - time.Second)
	b.wantImages(t, "before its day is over", repository, ":1", ":2", ":loaded", ":strangers")
	collect(71*time.Hour, "some.example/web:1@"+digest.String()) // whatever its name is here
	collect(72 * time.Hour)
	b.wantImages(t, "needed again: another day", repository, ":1", ":2", ":loaded", ":strangers")
	if logged.Len() > 0 {
		t.Errorf("logged: %s", logged)
	}
	collect(96 * time.Hour)
	b.wantImages(t, "after its day", repository, ":1", ":loaded", ":strangers")
	if lines := strings.Count(logged.String(), "\n"); lines != 1 || !strings.Contains(logged.String(), two) {
		t.Errorf("logged: %s", logged)
	}

	*disk = 86
	collect(96 * time.Hour)
	b.wantImages(t, "a full disk, and a task", repository, ":1", ":loaded", ":strangers")
	err = b.RemoveImage(t.Context(), one)
	if want := "image " + one + " stays: it is in use by task " + user.Name; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := b.Remove(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	unused, err := b.Unused(t.Context(), []string{strangers})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{one, loaded, strangers} {
		if got := slices.ContainsFunc(unused, func(i Image) bool { return i.Name == name }); got != (name != strangers) {
			t.Errorf("%s is unused: %t", name, got)
		}
	}
	release := b.hold(user)
	collect(96 * time.Hour)
	b.wantImages(t, "a full disk, and a task that is being prepared", repository, ":1", ":loaded", ":strangers")
	release()
	collect(96 * time.Hour)
	b.wantImages(t, "a full disk", repository, ":loaded", ":strangers")
}

// What a full disk does not need to lose stays.
func TestCollectStopsWhenThereIsRoom(t *testing.T) {
	b, _, _ := collector(t)
	repository := testRegistry(t, freshImage(t))
	now := time.Now()
	for i, tag := range []string{":2", ":1"} {
		task := b.unowned(specs.TaskSpec{Image: repository + tag})
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
		b.diskUse = func(context.Context) (int, error) { return 10, nil }
		if err := b.Collect(t.Context(), nil, now.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	b.diskUse = func(context.Context) (int, error) { return 84 + len(b.names(t, repository)), nil }
	if err := b.Collect(t.Context(), nil, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.wantImages(t, "the oldest is gone", repository, ":1")
	b.diskUse = func(context.Context) (int, error) { return 100, nil }
	if err := b.Collect(t.Context(), nil, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b.wantImages(t, "no room", repository)
	b.diskUse = b.snapshotsDisk
	if use, err := b.diskUse(t.Context()); err != nil || use <= 0 || use > 100 {
		t.Errorf("the disk is full to %d %%, %v", use, err)
	}
}

// Whoever starts tasks of an image while it is removed waits, and has it.
func TestCollectAgainstStarts(t *testing.T) {
	b, disk, _ := collector(t)
	*disk = 100
	ref := testRegistry(t, freshImage(t)) + ":1"
	stop, ended := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		var err error
		for stop.Err() == nil && err == nil {
			err = b.Collect(t.Context(), nil, time.Now())
		}
		over <- err
	}()
	for range 20 {
		task := b.unowned(specs.TaskSpec{Image: ref, Command: []string{"exit=0"}})
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Error(err)
		}
		if _, err := b.Start(t.Context(), task.ID); err != nil {
			t.Error(err)
		}
		if err := b.Remove(t.Context(), task.ID); err != nil {
			t.Error(err)
		}
	}
	ended()
	if err := <-over; err != nil {
		t.Error(err)
	}
	*disk = 100
	if err := b.Collect(t.Context(), nil, time.Now()); err != nil {
		t.Error(err)
	}
	b.wantImages(t, "after all", ref)
}
