package wire

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/swarmgit/swarmgit/specs/bell"
)

// A machine that is refused again and again does not fill the log.
func TestRefusalsAreToldOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := NewPort(closedListener{}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		expired, removed := errors.New("expired"), errors.New("removed")
		wantLines := func(want int) {
			t.Helper()
			if got := strings.Count(log.String(), "\n"); got != want {
				t.Errorf("%d lines, want %d:\n%s", got, want, &log)
			}
		}
		for range 100 {
			p.refused(t.Context(), "10.0.0.1:4001", removed)
			p.refused(t.Context(), "10.0.0.1:4002", removed)
		}
		wantLines(1)
		p.refused(t.Context(), "10.0.0.1:4001", expired)
		p.refused(t.Context(), "10.0.0.2:4001", removed)
		wantLines(3)
		_ = bell.Sleep(t.Context(), refusedPause)
		p.refused(t.Context(), "10.0.0.1:4001", removed)
		wantLines(4)
		if len(p.told) != 1 {
			t.Errorf("%d refusals are remembered", len(p.told))
		}
		for i := range 10 * maxTold { // what is refused may be of the caller's making
			p.refused(t.Context(), "10.0.0.3:4001", fmt.Errorf("unsupported protocol %d", i))
		}
		wantLines(4 + maxTold - 1)
		if len(p.told) != maxTold {
			t.Errorf("%d refusals are remembered", len(p.told))
		}
	})
}

// closedListener is a listener nobody connects to.
type closedListener struct{ net.Listener }

func (closedListener) Addr() net.Addr { return &net.TCPAddr{} }
