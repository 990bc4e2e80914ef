package containerd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// testMirror makes this machine reach a registry that does not exist by a mirror.
func testMirror(t *testing.T, host, mirror string) {
	t.Helper()
	root := t.TempDir()
	was := hostDirs
	t.Cleanup(func() { hostDirs = was })
	hostDirs = []string{filepath.Join(root, "none"), root}
	if err := os.Mkdir(filepath.Join(root, host), 0o755); err != nil {
		t.Fatal(err)
	}
	hosts := fmt.Sprintf("[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", "http://"+mirror)
	if err := os.WriteFile(filepath.Join(root, host, "hosts.toml"), []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDigest(t *testing.T) {
	img := freshImage(t)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repository := testRegistry(t, img)
	host, path, _ := strings.Cut(repository, "/")
	testMirror(t, "registry.invalid", host)
	for _, image := range []string{repository + ":1", "registry.invalid/" + path + ":2"} {
		if got, err := Digest(t.Context(), image, specs.Login{}); err != nil || got != want.String() {
			t.Errorf("%s: %s, %v; want %s", image, got, err, want)
		}
	}
	for image, words := range map[string]string{
		repository + ":3":         "the registry " + host + " has no such image",
		"127.0.0.1:1/shop/web:1":  "the registry 127.0.0.1:1 cannot be reached",
		"other.invalid/web:1":     "the registry other.invalid cannot be reached",
		"registry.invalid/none:1": "the registry registry.invalid has no such image",
	} {
		if _, err := Digest(t.Context(), image, specs.Login{}); err == nil || err.Error() != words {
			t.Errorf("%s: %v, want %s", image, err, words)
		}
	}
}

// What "docker login" left on this machine opens a registry.
func TestDockerCredentials(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "ana" || password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", "2")
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if _, err := Digest(t.Context(), host+"/shop/web:1", specs.Login{}); err == nil || !strings.Contains(err.Error(), "wants another login") {
		t.Errorf("without credentials: %v", err)
	}
	writeDockerConfig(t, host, "ana:s3cret")
	if got, err := Digest(t.Context(), host+"/shop/web:1", specs.Login{}); err != nil || got != digest {
		t.Errorf("with credentials: %s, %v", got, err)
	}
}
