package containerd

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// BenchmarkStart compares our way to a running task with a bare container
// create and start, turn about in one run. It prints medians in milliseconds;
// ns/op means nothing.
func BenchmarkStart(b *testing.B) {
	bench := newBench(b)
	var bare, ours, prepare, start []time.Duration
	for b.Loop() {
		bare = append(bare, bench.bare(b))
		p, s := bench.ours(b)
		prepare, start, ours = append(prepare, p), append(start, s), append(ours, p+s)
	}
	for name, all := range map[string][]time.Duration{"bare-ms": bare, "ours-ms": ours, "prepare-ms": prepare, "start-ms": start} {
		b.ReportMetric(median(all), name)
	}
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2]) / float64(time.Millisecond)
}

// ours takes one task to RUNNING.
func (b *bench) ours(t testing.TB) (prepare, start time.Duration) {
	t.Helper()
	task := b.unowned(specs.TaskSpec{Command: []string{"sleep"}})
	defer b.mustRemove(t, task)
	began := time.Now()
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	prepared := time.Now()
	if _, err := b.Start(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	return prepared.Sub(began), time.Since(prepared)
}

func (b *bench) mustRemove(t testing.TB, task executor.Task) {
	t.Helper()
	if err := b.Remove(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
}

// bare takes one container to its start with the client's own calls.
func (b *bench) bare(t testing.TB) time.Duration {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := fmt.Sprintf("bare%d", time.Now().UnixNano())
	name, err := normal(b.image)
	must(err)
	began := time.Now()
	img, err := b.client.GetImage(ctx, name)
	must(err)
	container, err := b.client.NewContainer(ctx, id, client.WithImage(img), client.WithSnapshotter(b.config.Snapshotter),
		client.WithNewSnapshot(id, img), client.WithNewSpec(oci.WithImageConfig(img)))
	must(err)
	task, err := container.NewTask(ctx, cio.NullIO)
	must(err)
	must(task.Start(ctx))
	took := time.Since(began)
	exit, err := task.Wait(ctx)
	must(err)
	must(b.kill(ctx, id, 9, true))
	<-exit
	_, err = task.Delete(ctx)
	must(err)
	must(container.Delete(context.WithoutCancel(ctx), client.WithSnapshotCleanup))
	return took
}
