package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// heartbeatJitter is how much earlier or later than its period a heartbeat
	// is sent, so that nodes do not speak in chorus.
	heartbeatJitter = 500 * time.Millisecond

	// describePeriod is how often a node looks at itself, as Swarm does.
	describePeriod = 20 * time.Second
)

var errDescriptionChanged = errors.New("the node has changed: introducing it again")

// session is what the agent knows of one manager's session with it. Its fields
// are set before its flows begin.
type session struct {
	*Agent
	client *wire.Client
	wire.SessionMessage
	description specs.NodeDescription
}

// sessions keeps one session after the other until ctx ends.
func (a *Agent) sessions(ctx context.Context) {
	pause, said := backoff{}, ""
	for ctx.Err() == nil {
		opened, err := a.session(ctx)
		if opened {
			pause.reset()
		}
		if ctx.Err() == nil && !errors.Is(err, errDescriptionChanged) && (opened || err.Error() != said) {
			said = err.Error() // a manager that stays away is told of once
			level := slog.LevelWarn
			if wire.KindOf(err) == wire.NotLeader { // it says who to ask, or will lead soon
				level = slog.LevelInfo
			}
			a.Log.Log(ctx, level, "no session with a manager; the tasks go on", "error", err)
		}
		pause.wait(ctx)
	}
}

// session opens a session and keeps it until any of its flows ends. opened says
// whether a manager took it; the error says why it ended.
func (a *Agent) session(ctx context.Context) (opened bool, err error) {
	description, err := a.Describe(ctx)
	if err != nil {
		return false, fmt.Errorf("describe this node: %w", err)
	}
	client, err := a.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("reach a manager: %w", err)
	}
	defer client.Close()

	flows, open := errgroup.WithContext(ctx)
	s := &session{Agent: a, client: client, description: description}
	flows.Go(func() error {
		for msg, err := range wire.Session.Call(open, client, wire.SessionRequest{Description: description}) {
			if err != nil {
				return err
			}
			if !opened {
				opened, s.SessionMessage = true, msg
				s.begin(ctx, open, flows)
			}
		}
		return errors.New("the manager ended the session")
	})
	return opened, flows.Wait()
}

// begin starts the flows of an open session, which end with ctx. What the crew
// does goes on until life ends.
func (s *session) begin(life, ctx context.Context, flows *errgroup.Group) {
	s.Log.InfoContext(ctx, "session opened", "session", s.SessionID)
	s.crew.reportAll()
	flows.Go(func() error { return s.beat(ctx) })
	flows.Go(func() error { return s.follow(life, ctx) })
	flows.Go(func() error { return s.report(ctx) })
	flows.Go(func() error { return s.watchDescription(ctx) })
	if s.Logs != nil {
		flows.Go(func() error { return s.answerLogs(ctx) })
	}
}

// beat says again and again that the node lives.
func (s *session) beat(ctx context.Context) error {
	period := time.Duration(s.Heartbeat)
	for sleep(ctx, period+rand.N(2*heartbeatJitter)-heartbeatJitter) {
		reply, err := s.beatOnce(ctx, period)
		if err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
		period = time.Duration(reply.Period)
	}
	return ctx.Err()
}

// beatOnce gives up after a period: another session may still be in time.
func (s *session) beatOnce(ctx context.Context, period time.Duration) (wire.HeartbeatReply, error) {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	return wire.Heartbeat.Call(ctx, s.client, wire.HeartbeatRequest{SessionID: s.SessionID})
}

// follow makes the crew as the manager wants it.
func (s *session) follow(life, ctx context.Context) error {
	var carried wire.Carried
	for a, err := range wire.Assigned.Call(ctx, s.client, wire.AssignmentsRequest{SessionID: s.SessionID}) {
		if err != nil {
			return fmt.Errorf("assignments: %w", err)
		}
		carried.Take(a)
		if err := s.crew.assign(life, a, &carried); err != nil {
			return err
		}
	}
	return errors.New("the manager ended the assignments")
}

// report tells the manager what changes, and goes on telling until it knows.
func (s *session) report(ctx context.Context) error {
	for {
		select {
		case <-s.outbox.wake:
			gather(ctx, s.outbox.urgent, reportPause)
		case <-ctx.Done():
			return ctx.Err()
		}
		for reports := s.outbox.take(); len(reports) > 0; reports = s.outbox.take() {
			if err := s.send(ctx, reports); err != nil {
				return fmt.Errorf("report: %w", err)
			}
		}
	}
}

// send reports once. What the manager refuses for good is dropped with a word:
// sent again it would hold up everything behind it.
func (s *session) send(ctx context.Context, reports []wire.TaskReport) error {
	_, err := wire.Report.Call(ctx, s.client, wire.ReportRequest{SessionID: s.SessionID, Tasks: reports})
	if wire.KindOf(err) == wire.PermissionDenied {
		s.Log.ErrorContext(ctx, "the manager refused reports", "error", err)
		return nil
	}
	if err != nil {
		s.outbox.putBack(reports)
	}
	return err
}

// watchDescription ends the session once the node is not what it was.
func (s *session) watchDescription(ctx context.Context) error {
	for sleep(ctx, describePeriod) {
		now, err := s.Describe(ctx)
		if err == nil && !reflect.DeepEqual(now, s.description) {
			return errDescriptionChanged
		}
	}
	return ctx.Err()
}
