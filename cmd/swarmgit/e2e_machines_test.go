package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machines are network namespaces joined by a bridge in one of their own: each
// has an address and a loopback device, and shares the disk and the processes
// with the machine that runs the tests. Nothing leaves them.
type machines struct {
	name  string // of the bridge's namespace
	hosts []*machine
}

// machine is one of them.
type machine struct {
	name string // of its namespace
	host string // what it calls itself
	addr string
	link string // of its cable's end at the bridge
}

var machinesMade atomic.Int32

// newMachines makes n machines, which are removed when the test ends.
func newMachines(t testing.TB, n int) *machines {
	t.Helper()
	needRoot(t)
	m := &machines{name: fmt.Sprintf("sg%d-%d", os.Getpid(), machinesMade.Add(1))}
	t.Cleanup(func() {
		if err := m.remove(); err != nil {
			t.Error(err)
		}
	})
	if err := m.make(n); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machines) make(n int) error {
	err := ip("netns add "+m.name,
		"-n "+m.name+" link add hub type bridge",
		"-n "+m.name+" link set hub up")
	for i := 1; i <= n && err == nil; i++ {
		host := &machine{name: fmt.Sprintf("%s-%d", m.name, i), host: fmt.Sprintf("n%d", i), addr: fmt.Sprintf("10.213.77.%d", i), link: fmt.Sprintf("port%d", i)}
		m.hosts = append(m.hosts, host)
		err = ip("netns add "+host.name,
			fmt.Sprintf("-n %s link add %s type veth peer name eth0 netns %s", m.name, host.link, host.name),
			fmt.Sprintf("-n %s link set %s master hub up", m.name, host.link),
			fmt.Sprintf("-n %s addr add %s/24 dev eth0", host.name, host.addr),
			"-n "+host.name+" link set lo up",
			"-n "+host.name+" link set eth0 up")
	}
	return err
}

// remove needs every process in the namespaces to have ended: they live on else.
func (m *machines) remove() error {
	var errs []error
	for _, host := range m.hosts {
		errs = append(errs, ip("netns del "+host.name))
	}
	return errors.Join(append(errs, ip("netns del "+m.name))...)
}

// ip runs commands of iproute2, until one fails.
func ip(commands ...string) error {
	for _, command := range commands {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	return nil
}

// command is a command that runs on the machine. (nsenter, because "ip netns
// exec" mounts a /sys of its own, which has no cgroups.) Its process becomes the
// command's.
func (h *machine) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + h.name, "unshare", "--uts",
		"sh", "-c", `hostname "$0" && exec "$@"`, h.host, name}, args...)...)
}

// cut unplugs the machine's cable, and plug puts it back.
func (m *machines) cut(h *machine) error  { return ip("-n " + m.name + " link set " + h.link + " down") }
func (m *machines) plug(h *machine) error { return ip("-n " + m.name + " link set " + h.link + " up") }

// mute loses what one machine sends to another, and unmute ends that: the other
// direction works all the time.
func (h *machine) mute(to *machine) error {
	return ip("-n " + h.name + " route add blackhole " + to.addr + "/32")
}

func (h *machine) unmute(to *machine) error {
	return ip("-n " + h.name + " route del blackhole " + to.addr + "/32")
}

// within runs f on the machine: sockets that it opens are the machine's. f starts
// no goroutines of its own for that.
func (h *machine) within(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	if err := enter("/run/netns/" + h.name); err != nil {
		return err
	}
	err = f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // the thread is lost in there
	}
	runtime.UnlockOSThread()
	return err
}

func enter(namespace string) error {
	space, err := os.Open(namespace)
	if err != nil {
		return err
	}
	defer space.Close()
	return unix.Setns(int(space.Fd()), unix.CLONE_NEWNET)
}

func (h *machine) listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	var l net.Listener
	err := h.within(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (h *machine) dial(addr string, patience time.Duration) (conn net.Conn, err error) {
	err = h.within(func() (err error) {
		conn, err = net.DialTimeout("tcp", addr, patience)
		return err
	})
	return conn, err
}

func TestMachines(t *testing.T) {
	m := newMachines(t, 3)
	for _, h := range m.hosts {
		h.listen(t, h.addr+":9")
	}
	// A machine that was out of reach is asked for its hardware address once a
	// second only, and a lost SYN is sent again after one too.
	dial := func(from, to int, patience time.Duration) bool {
		conn, err := m.hosts[from].dial(m.hosts[to].addr+":9", patience)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	reaches := func(from, to int) bool { return dial(from, to, time.Minute) }
	misses := func(from, to int) bool { return !dial(from, to, 300*time.Millisecond) }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if !reaches(0, 1) || !reaches(1, 2) {
		t.Fatal("machines do not reach each other")
	}
	do(m.cut(m.hosts[1]))
	if !misses(0, 1) || !reaches(0, 2) {
		t.Error("a cut cable cuts the wrong machine")
	}
	do(m.plug(m.hosts[1]))
	if !reaches(0, 1) {
		t.Error("a cable that was put back does not work")
	}
	do(m.hosts[0].mute(m.hosts[1]))
	if !misses(0, 1) || !reaches(0, 2) {
		t.Error("a muted machine is heard, or not by others either")
	}
	do(m.hosts[0].unmute(m.hosts[1]))
	if !reaches(0, 1) {
		t.Error("a machine stays mute")
	}
}
