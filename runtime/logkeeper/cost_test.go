package logkeeper

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rss is the resident memory of a process in bytes.
func rss(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// cpuTime is what a process has used so far, to the kernel's tick of 10 ms.
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat)[strings.LastIndex(string(stat), ")")+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// An idle container costs at most 1 MiB of the keeper's memory, the keeper's
// own included, when there are 100.
func TestMemoryOfIdleTasks(t *testing.T) {
	c := client(t)
	tasks := make([]*task, 100)
	for i := range tasks {
		tasks[i] = open(t, c, fmt.Sprint("t", i))
		tasks[i].say(tasks[i].out, "started\n")
		tasks[i].say(tasks[i].err, "started\n")
	}
	for _, k := range tasks {
		awaitText(t, c, k.id, "stdout F started")
		awaitText(t, c, k.id, "stderr F started")
	}
	each := rss(t, pid(t, c)) / len(tasks)
	t.Logf("%d KiB of RSS for each of %d tasks", each>>10, len(tasks))
	if each > 1<<20 {
		t.Errorf("%d bytes of RSS for each task, want at most 1 MiB", each)
	}
}

// BenchmarkKeep measures the keeper's share of a core while one task writes
// 10 MB/s in lines of 100 bytes with one write each, and its memory for 100
// tasks of which 99 are idle.
func BenchmarkKeep(b *testing.B) {
	c := client(b)
	for i := range 99 {
		open(b, c, fmt.Sprint("t", i))
	}
	k := open(b, c, "busy")
	empty := rss(b, pid(b, c))
	writer := k.writer("spew", "10")
	time.Sleep(time.Second) // until the rate is steady
	const period = 5 * time.Second
	for b.Loop() {
		began, used, wrote := time.Now(), cpuTime(b, pid(b, c)), cpuTime(b, writer.Process.Pid)
		time.Sleep(period)
		took := time.Since(began).Seconds()
		b.ReportMetric(100*(cpuTime(b, pid(b, c))-used).Seconds()/took, "%core")
		b.ReportMetric(100*(cpuTime(b, writer.Process.Pid)-wrote).Seconds()/took, "%core-writer")
	}
	b.ReportMetric(float64(empty)/100/1024, "KiB-idle/task")
	b.ReportMetric(float64(rss(b, pid(b, c)))/100/1024, "KiB-busy/task")
	_ = writer.Process.Signal(syscall.SIGKILL)
}

// BenchmarkWrite formats and writes lines of 100 bytes.
func BenchmarkWrite(b *testing.B) {
	w := newWritten(b, b.TempDir(), "t1")
	text := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w.write(stdout, text, &w.scratch)
	}
}
