package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/swarmgit/swarmgit/reconciler"
)

// supervisor is the service manager that started the daemon and wants to hear of
// it, as sd_notify(3) says. The zero value is none, which hears nothing.
type supervisor struct {
	socket   string
	watchdog time.Duration // it ends a daemon that is mute for so long; zero is never
}

// takeSupervisor reads what the environment says, and removes it there: what the
// daemon starts outlives it, and must not speak in its name.
func takeSupervisor() supervisor {
	s := supervisor{socket: os.Getenv("NOTIFY_SOCKET")}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if pid := os.Getenv("WATCHDOG_PID"); err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // it fails for malformed names only
	}
	return s
}

// tellPatience is how long a service manager may take to hear. Who does not read has a
// few lines wait for it, and would hold up the end of the daemon.
const tellPatience = time.Second

// tell sends lines of KEY=VALUE.
func (s supervisor) tell(lines string) error {
	if s.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	err = conn.SetWriteDeadline(time.Now().Add(tellPatience))
	if err == nil {
		_, err = conn.Write([]byte(lines))
	}
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// statusPeriod is how often the status is told where no watchdog asks for more.
const statusPeriod = 10 * time.Second

// period leaves room for one look that comes late.
func (s supervisor) period() time.Duration {
	if s.watchdog > 0 {
		return min(statusPeriod, s.watchdog/3)
	}
	return statusPeriod
}

// report tells the supervisor that the node is up, and then that it lives, for
// as long as it answers on its own socket. It returns when ctx ends.
func (n *node) report(ctx context.Context, s supervisor) error {
	if s.socket == "" {
		return nil
	}
	select {
	case <-n.settled:
	case <-ctx.Done():
		return nil
	}
	n.inform(ctx, s, "READY=1\nSTATUS="+n.standing())
	tick := time.NewTicker(s.period())
	defer tick.Stop()
	for {
		if err := n.answers(ctx, s.period()); err == nil {
			n.inform(ctx, s, "WATCHDOG=1\nSTATUS="+n.standing())
		} else if ctx.Err() == nil {
			n.cfg.log.WarnContext(ctx, "the daemon does not answer itself", "error", err)
			n.inform(ctx, s, "STATUS=does not answer itself: "+err.Error())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.inform(ctx, s, "STOPPING=1\nSTATUS=stopping; tasks go on")
			return nil
		}
	}
}

func (n *node) inform(ctx context.Context, s supervisor, lines string) {
	if err := s.tell(lines); err != nil {
		n.cfg.log.WarnContext(ctx, "the service manager does not hear this daemon", "error", err)
	}
}

// answers is nil when the daemon answers a request on its own socket, and the
// manager's store can be read. What it answers does not matter: a cluster
// without a leader, or a full disk, is not mended by a restart.
func (n *node) answers(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if m := n.managing(); m != nil {
		m.Snapshot()
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialSocket(ctx, n.cfg.socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", nil)
	if err != nil {
		return err
	}
	reply, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return reply.Body.Close()
}

// standing is one line of what this node is.
func (n *node) standing() string {
	m, barred := n.managing(), n.barred.Load()
	switch {
	case barred != nil:
		return *barred
	case m == nil && n.agent.Removed():
		return reconciler.ErrRemoved.Error() + ": " + wayBack("swarmgit leave")
	case m == nil:
		return "worker " + n.id()
	case m.Leader() == "":
		return "manager " + n.id() + ", no leader is known"
	case m.Leader() == n.id():
		return "manager " + n.id() + ", leader"
	}
	return "manager " + n.id() + ", follows " + m.Leader()
}
