package containerd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// The tests share one private containerd; each has its own tasks.
var shared struct {
	once    sync.Once
	managed *Managed
	dir     string
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.managed != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		if err := shared.managed.Shutdown(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "shutdown:", err)
			code = 1
		}
		cancel()
		if err := os.RemoveAll(shared.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// needContainerd skips a test that cannot run here; in CI that is a failure.
func needContainerd(t testing.TB) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("a private containerd needs root")
	}
	if _, err := findBinaries(); err != nil {
		skip("%v", err)
	}
}

// privateContainerd returns the containerd of the tests.
func privateContainerd(t testing.TB) *Managed {
	t.Helper()
	needContainerd(t)
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "swarmgit-containerd-")
		if shared.err != nil {
			return
		}
		shared.managed, shared.err = NewManaged(ManagedConfig{DataDir: shared.dir, Log: testLog()})
		if shared.err == nil {
			shared.err = shared.managed.Start(context.Background())
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.managed
}

func testLog() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

// openEngine opens a new engine over the tests' containerd.
func openEngine(t testing.TB, logs executor.Logs) *Engine {
	t.Helper()
	config := privateContainerd(t).EngineConfig()
	config.Logs = logs
	config.Log = testLog()
	engine, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// program builds the program of the tests' image once.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "swarmgit-program-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

const testPasswd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n"
const testGroup = "root:x:0:\napp:x:1001:\nextra:x:1002:app\naudio:x:29:\n"

// testImage is an image with the tests' program.
func testImage(t testing.TB, config v1.Config) v1.Image {
	t.Helper()
	content, err := program()
	if err != nil {
		t.Fatal(err)
	}
	img, err := BuildImage(config,
		File{Path: "bin/program", Mode: 0o755, Content: content},
		File{Path: "etc/passwd", Mode: 0o644, Content: []byte(testPasswd)},
		File{Path: "etc/group", Mode: 0o644, Content: []byte(testGroup)})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

const testRef = "swarmgit.test/program:1"

// loadTestImage loads the tests' image and returns its reference.
func loadTestImage(t testing.TB, e *Engine) string {
	t.Helper()
	img := testImage(t, v1.Config{Entrypoint: []string{"/bin/program"}, Cmd: []string{"sleep"}, Env: []string{"FROM=image"}})
	var tar bytes.Buffer
	if err := Archive(&tar, testRef, img); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Load(t.Context(), &tar); err != nil {
		t.Fatal(err)
	}
	return testRef
}

// withTimeout is a context for what happens after the test's own has ended.
func withTimeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*time.Minute)
}
