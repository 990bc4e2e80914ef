package containerd

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/swarmgit/swarmgit/specs"
)

// testRegistry is a registry on loopback with the tests' image under two tags.
// It returns the repository's name.
func testRegistry(t *testing.T, img v1.Image) string {
	t.Helper()
	serve := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range") // it refuses one without an end
		serve.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/shop/web"
	for _, tag := range []string{":1", ":2"} {
		ref, err := name.ParseReference(repository + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(ref, img, remote.WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	return repository
}

// remove removes an image when the test ends.
func (b *bench) removeLater(t *testing.T, refs ...string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := withTimeout()
		defer cancel()
		for _, ref := range refs {
			if err := b.RemoveImage(ctx, ref); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPull(t *testing.T) {
	b := newBench(t)
	img := freshImage(t)
	repository := testRegistry(t, img)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	b.removeLater(t, repository+":1")
	// By its digest the image is found under whatever name it is here.
	for _, ref := range []string{repository + ":1", repository + ":2@" + digest.String()} {
		said := &words{}
		task := b.task(t, specs.TaskSpec{Image: ref, Command: []string{"print=pulled"}})
		if err := b.Prepare(t.Context(), task, said.add); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(said.all(), "pull") && ref == repository+":1" {
			t.Errorf("a pull said nothing but %q", said.all())
		}
		if _, err := b.Start(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
		if exit, err := b.Wait(t.Context(), task.ID); err != nil || exit.Code != 0 || b.pipes.text(task.ID) != "pulled\n" {
			t.Errorf("%s: %+v, %v, %q", ref, exit, err, b.pipes.text(task.ID))
		}
	}
}

func TestPullSaysHowFarItIs(t *testing.T) {
	b := newBench(t)
	told := make(chan struct{})
	slow := &halfway{registry: registry.New(registry.Logger(log.New(io.Discard, "", 0))), goOn: told}
	server := httptest.NewServer(slow)
	t.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/shop/slow:1"
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, largeImage(t), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	slow.on.Store(true)
	b.removeLater(t, ref)
	var once sync.Once
	ctx, cancel := withTimeout()
	defer cancel()
	err = b.Prepare(ctx, b.task(t, specs.TaskSpec{Image: ref}), func(text string) {
		if text != "pull" && text != "pull 0%" && strings.HasPrefix(text, "pull ") {
			once.Do(func() { close(told) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	default:
		t.Error("a slow pull did not say how far it was")
	}
}

// largeImage has a layer that comes in several pieces: progress is told by the
// MiB.
func largeImage(t *testing.T) v1.Image {
	t.Helper()
	content, err := program()
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 6<<20)
	rand.Read(noise)
	img, err := BuildImage(v1.Config{Entrypoint: []string{"/bin/program"}},
		File{Path: "bin/program", Mode: 0o755, Content: content}, File{Path: "noise", Mode: 0o644, Content: noise})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// halfway is a registry that sends half of every layer and then waits.
type halfway struct {
	registry http.Handler
	on       atomic.Bool
	goOn     <-chan struct{}
}

func (h *halfway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.on.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
		w = &waiter{ResponseWriter: w, goOn: h.goOn, done: r.Context().Done()}
	}
	h.registry.ServeHTTP(w, r)
}

// waiter passes on half of every large write, then waits: configurations and
// manifests are small.
type waiter struct {
	http.ResponseWriter
	goOn <-chan struct{}
	done <-chan struct{}
}

func (w *waiter) Write(b []byte) (int, error) {
	if len(b) < 1<<20 {
		return w.ResponseWriter.Write(b)
	}
	n, err := w.ResponseWriter.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	w.ResponseWriter.(http.Flusher).Flush()
	select {
	case <-w.goOn:
	case <-w.done:
	}
	m, err := w.ResponseWriter.Write(b[n:])
	return n + m, err
}

// freshImage is an image that was never here before.
func freshImage(t testing.TB) v1.Image {
	t.Helper()
	return testImage(t, v1.Config{Entrypoint: []string{"/bin/program"}, Labels: map[string]string{"fresh": rand.Text()}})
}

// words collects progress.
type words struct {
	mu   sync.Mutex
	said []string
}

func (w *words) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *words) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

func TestMissingInRegistry(t *testing.T) {
	b := newBench(t)
	ref := strings.Replace(testRegistry(t, freshImage(t)), "web", "nosuch", 1) + ":9"
	err := b.Prepare(t.Context(), b.task(t, specs.TaskSpec{Image: ref}), nil)
	want := fmt.Sprintf("image %s: no such image, neither on the node nor in its registry", ref)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestLocalImageNeedsNoRegistry(t *testing.T) {
	b := newBench(t)
	img := freshImage(t)
	const ref = "127.0.0.1:1/nobody/listens:1"
	var tar bytes.Buffer
	if err := Archive(&tar, ref, img); err != nil {
		t.Fatal(err)
	}
	loaded, err := b.Load(t.Context(), &tar)
	if err != nil || len(loaded) != 1 || loaded[0].Name != ref {
		t.Fatalf("loaded %+v, %v", loaded, err)
	}
	b.removeLater(t, ref)
	for _, name := range []string{ref, "127.0.0.1:1/nobody/listens@" + loaded[0].Digest} {
		if got := b.output(t, specs.TaskSpec{Image: name}, "print=here"); got != "here\n" {
			t.Errorf("%s wrote %q", name, got)
		}
	}
}

func TestLoadOCILayout(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	annotations := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "example.test/oci:3"})
	if err := path.AppendImage(freshImage(t), annotations); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close()); err != nil {
		t.Fatal(err)
	}
	loaded, err := b.Load(t.Context(), &archive)
	if err != nil || len(loaded) != 1 || loaded[0].Name != "example.test/oci:3" || loaded[0].Size == 0 {
		t.Fatalf("loaded %+v, %v", loaded, err)
	}
	b.removeLater(t, "example.test/oci:3")
	b.output(t, specs.TaskSpec{Image: "example.test/oci:3"}, "print=here")
}

func TestLoadRefuses(t *testing.T) {
	b := newBench(t)
	_, err := b.Load(t.Context(), strings.NewReader("this is no tar archive at all"))
	want := "load images: unexpected EOF (an archive of docker save or an OCI layout is expected)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLoadSaysThatAnArchiveIsCutShort(t *testing.T) {
	b := newBench(t)
	var whole bytes.Buffer
	if err := Archive(&whole, "swarmgit.test/cut:1", freshImage(t)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{700, whole.Len() / 2, whole.Len() - 5000} {
		_, err := b.Load(t.Context(), bytes.NewReader(whole.Bytes()[:size]))
		want := fmt.Sprintf("load images: the archive is cut short after %d bytes: save it again", size)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	disk := errors.New("input/output error")
	_, err := b.Load(t.Context(), io.MultiReader(bytes.NewReader(whole.Bytes()[:4096]), iotest.ErrReader(disk)))
	if !errors.Is(err, disk) {
		t.Errorf("of a broken disk: %v", err)
	}
	if _, err := b.Load(t.Context(), strings.NewReader(strings.Repeat("no archive ", 1000))); err == nil || strings.Contains(err.Error(), "cut short") {
		t.Errorf("of something else: %v", err)
	}
}

func TestImagesAreListedAndRemoved(t *testing.T) {
	b := newBench(t)
	const ref = "swarmgit.test/listed:1"
	var tar bytes.Buffer
	if err := Archive(&tar, ref, freshImage(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Load(t.Context(), &tar); err != nil {
		t.Fatal(err)
	}
	here := func() bool {
		all, err := b.Images(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(i Image) bool { return i.Name == ref && i.Size > 0 })
	}
	if !here() {
		t.Errorf("%s is not listed", ref)
	}
	if err := b.RemoveImage(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if here() {
		t.Errorf("%s is listed after its removal", ref)
	}
	err := b.RemoveImage(t.Context(), ref)
	if want := "image " + ref + ": no such image on this node (see: swarmgit image ls)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReloadedImageIsUsed(t *testing.T) {
	b := newBench(t)
	const ref = "swarmgit.test/moving:1"
	b.removeLater(t, ref)
	for _, word := range []string{"one", "two", "one"} {
		img := testImage(t, v1.Config{Entrypoint: []string{"/bin/program", "print=" + word}})
		img, err := mutate.Canonical(img)
		if err != nil {
			t.Fatal(err)
		}
		var tar bytes.Buffer
		if err := Archive(&tar, ref, img); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Load(t.Context(), &tar); err != nil {
			t.Fatal(err)
		}
		if got := b.output(t, specs.TaskSpec{Image: ref}, "print=end"); got != word+"\nend\n" {
			t.Errorf("wrote %q, want %q", got, word)
		}
	}
}

func TestFiftyTasksLeaveNothing(t *testing.T) {
	b := newBench(t)
	for range 50 {
		task := b.unowned(specs.TaskSpec{Command: []string{"exit=0"}})
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Start(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
	}
	if left := leftovers(t, b.Engine); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}
