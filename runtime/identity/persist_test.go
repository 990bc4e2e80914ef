package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// TestPersist has managers that answer as the table says; "m1: later" asks
// again, "m1: no" refuses, "m1: -> m2" sends on, "m1: yes" gives a certificate.
// Each is asked in this order, or it is a mistake. A number of seconds is a
// pause before the next one.
func TestPersist(t *testing.T) {
	for name, tc := range map[string]struct {
		addrs, story, err string
	}{
		"at once":               {"m1", "m1: yes", ""},
		"the second":            {"m1 m2", "m1: later, m2: yes", ""},
		"sent on":               {"m1", "m1: -> m2, m2: yes", ""},
		"no leader yet":         {"m1 m2", "m1: later, m2: later, 1, m1: later, m2: later, 2, m1: later, m2: later, 4, m1: yes", ""},
		"never for too long":    {"m1", "m1: later, 1, m1: later, 2, m1: later, 4, m1: later, 8, m1: later, 16, m1: later, 30, m1: later, 30, m1: yes", ""},
		"sent round":            {"m1", "m1: -> m2, m2: -> m1, m1: -> m2, 1, m1: yes", ""},
		"a refusal is final":    {"m1 m2", "m1: no", "join m1: not you"},
		"a refusal later on":    {"m1", "m1: later, 1, m1: no", "join m1: not you"},
		"nobody to ask":         {"", "", "no address of a manager"},
		"a refusal by a leader": {"m1", "m1: -> m2, m2: no", "join m1: not you"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				last := time.Now()
				ask := func(addr string) (wire.CertifyReply, error) {
					if pause := time.Since(last); pause > 0 {
						told = append(told, fmt.Sprint(pause.Seconds()))
					}
					last = time.Now()
					return answer(tc.story, addr, &told)
				}
				_, err := persist(t.Context(), strings.Fields(tc.addrs), slog.New(slog.DiscardHandler), ask)
				if diff := cmp.Diff(tc.story, strings.Join(told, ", ")); diff != "" {
					t.Error(diff)
				}
				if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// answer is the next line of the story, which must be about addr.
func answer(story, addr string, told *[]string) (wire.CertifyReply, error) {
	lines := strings.Split(story, ", ")
	if len(*told) >= len(lines) {
		return wire.CertifyReply{}, wire.Errorf(wire.InvalidArgument, "%s was asked too often", addr)
	}
	who, what, _ := strings.Cut(lines[len(*told)], ": ")
	*told = append(*told, addr+": "+what)
	next, sent := strings.CutPrefix(what, "-> ")
	switch {
	case who != addr:
		return wire.CertifyReply{}, wire.Errorf(wire.InvalidArgument, "%s was asked, not %s", addr, who)
	case what == "yes":
		return wire.CertifyReply{NodeID: "n1"}, nil
	case sent:
		return wire.CertifyReply{Leader: next}, nil
	case what == "later":
		return wire.CertifyReply{}, wire.Errorf(wire.Unavailable, "later")
	}
	return wire.CertifyReply{}, wire.Errorf(wire.PermissionDenied, "not you")
}

func TestPersistEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := persist(ctx, []string{"m1"}, slog.New(slog.DiscardHandler), func(string) (wire.CertifyReply, error) {
			return wire.CertifyReply{}, wire.Errorf(wire.Unavailable, "later")
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	})
}

// The address of a worker, where one of a manager is needed, is a common mistake.
func TestPersistNamesWhoListens(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := wire.JoinClient("127.0.0.1:1", specs.JoinToken{}.Root)
	defer client.Close()
	_, err := persist(ctx, []string{"127.0.0.1:1"}, slog.New(slog.DiscardHandler), func(string) (wire.CertifyReply, error) {
		defer cancel()
		return certify(ctx, client, wire.CertifyRequest{})
	})
	want := "join 127.0.0.1:1: 127.0.0.1:1: connect: connection refused: nobody listens there: only a manager does, while its daemon runs"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
