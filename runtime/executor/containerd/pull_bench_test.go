package containerd

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	pullPairs    = 10
	pullLayers   = 5
	pullLayer    = 10 << 20 // bytes, random, so that nothing compresses them
	pullMaxRatio = 1.2
)

// BenchmarkPull compares a pull of an image of 50 MB by a task, unpacked and
// looked into, with one by ctr, both by the same containerd and from a registry in
// this process. Each pull is of content that was never there. ns/op means nothing.
func BenchmarkPull(b *testing.B) {
	bench := newBench(b)
	var pairs executortest.Pairs
	for b.Loop() {
		for range pullPairs {
			ours := bench.pulled(b, func(ref string) error {
				_, err := bench.Engine.image(b.Context(), executor.Task{Spec: specs.TaskSpec{Image: ref}}, nil)
				return err
			})
			pairs.Add(ours, bench.pulled(b, bench.ctrPull))
		}
	}
	pairs.Report(b, "pull of 50 MB", pullMaxRatio)
}

// pulled is how long it takes to pull an image that nobody has seen yet from a
// registry of its own. It is removed with all that was kept of it.
func (b *bench) pulled(t testing.TB, pull func(ref string) error) time.Duration {
	t.Helper()
	img, err := random.Image(pullLayer, pullLayers)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/bench/random:1"
	tag, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := pull(ref); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err := b.RemoveImage(context.WithoutCancel(t.Context()), ref); err != nil {
		t.Fatal(err)
	}
	return took
}

// ctrPull is what an operator would type.
func (b *bench) ctrPull(ref string) error {
	out, err := exec.Command("ctr", "--address", b.config.Socket, "--namespace", b.config.Namespace,
		"image", "pull", "--plain-http", "--snapshotter", b.config.Snapshotter, ref).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr image pull: %w: %s", err, out)
	}
	return nil
}
