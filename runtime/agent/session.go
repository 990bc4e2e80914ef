package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// heartbeatJitter is the part of its period that a heartbeat is sent earlier
	// or later, so that nodes do not speak in chorus.
	heartbeatJitter = 10

	// describePeriod is how often a node looks at itself, as Swarm does.
	describePeriod = 20 * time.Second

	// openPatience is how long a manager may take to open a session.
	openPatience = 10 * time.Second

	// maxHops is how many managers are asked without a pause, each named as the
	// leader by the one before: managers that disagree must not be asked in
	// circles.
	maxHops = 4

	// lonelyPatience is how long a node may know of no manager before that is a
	// trouble: the manager in its own process is opened at the same time.
	lonelyPatience = 10 * time.Second

	// removedPause is how long a node that was removed waits before it asks again
	// whether it belongs to the cluster.
	removedPause = time.Minute
)

var (
	errIntroduce = errors.New("the node has changed: introducing it again")
	errNoManager = errors.New("no manager is known: give the daemon the address of one")
	errSilent    = errors.New("no answer")
	errNoAnswer  = fmt.Errorf("no session within %s", openPatience)
)

// session is what the agent knows of one manager's session with it. Its fields
// are set before its flows begin.
type session struct {
	*Agent
	addr   string // of the manager
	client *wire.Client
	wire.SessionMessage
	description specs.NodeDescription
}

// sessions keeps one session after the other until ctx ends. What the crew does
// goes on until life ends.
func (a *Agent) sessions(life, ctx context.Context) {
	a.said, a.begun = map[string]bool{}, time.Now()
	pause := backoff{}
	for ctx.Err() == nil {
		opened, err := a.ask(life, ctx)
		if opened {
			pause.reset()
		}
		if wire.KindOf(err) == wire.NotFound {
			sleep(ctx, removedPause)
		} else {
			pause.wait(ctx)
		}
	}
}

// ask keeps a session with the manager that is the likeliest leader, or with the
// one that this one names as the leader. opened says whether a manager took it;
// the error says why it ended.
func (a *Agent) ask(life, ctx context.Context) (opened bool, err error) {
	description, err := a.Describe(ctx)
	if err != nil {
		a.complain(ctx, "", fmt.Errorf("describe this node: %w", err))
		return false, err
	}
	addr, err := a.nextManager(ctx)
	if err != nil {
		if time.Since(a.begun) > lonelyPatience {
			a.complain(ctx, "", err)
		}
		return false, err
	}
	for asked := []string{addr}; ; asked = append(asked, addr) {
		opened, err = a.session(life, ctx, addr, description)
		if !errors.Is(err, errIntroduce) {
			a.managers.inVain(addr, time.Now())
			a.complain(ctx, addr, fmt.Errorf("manager %s: %w", addr, err))
		}
		addr = a.managers.leader()
		if opened || wire.KindOf(err) != wire.NotLeader || addr == "" || slices.Contains(asked, addr) || len(asked) == maxHops {
			return opened, err
		}
	}
}

// complain puts into the log why there is no session, of each manager and kind of
// trouble once until there is one again. That the manager which was elected does
// not lead yet is no trouble.
func (a *Agent) complain(ctx context.Context, addr string, err error) {
	if wire.KindOf(err) == wire.NotLeader && addr == a.managers.leader() {
		return
	}
	trouble := addr + " " + wire.KindOf(err).String()
	if ctx.Err() != nil || a.said[trouble] {
		return
	}
	a.said[trouble] = true
	switch wire.KindOf(err) {
	case wire.NotFound:
		a.Log.ErrorContext(ctx, "this node was removed from the cluster; its tasks go on until it leaves (swarmgit leave), nobody looks after them any more",
			"error", err)
	case wire.NotLeader: // it says who to ask, or will lead soon
		a.Log.InfoContext(ctx, "no session with a manager; the tasks go on", "error", err)
	default:
		a.Log.WarnContext(ctx, "no session with a manager; the tasks go on", "error", err)
	}
}

// session opens a session with one manager and keeps it until any of its flows
// ends.
func (a *Agent) session(life, ctx context.Context, addr string, description specs.NodeDescription) (opened bool, err error) {
	select {
	case <-a.Renewed: // this session is of the newest certificate
	default:
	}
	client, err := a.Dial(ctx, addr)
	if err != nil {
		return false, err
	}
	defer client.Close()

	patient, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patience := time.AfterFunc(openPatience, func() { giveUp(errNoAnswer) })
	defer patience.Stop()
	flows, open := errgroup.WithContext(patient)
	s := &session{Agent: a, addr: addr, client: client, description: description}
	flows.Go(func() error {
		for msg, err := range wire.Session.Call(open, client, wire.SessionRequest{Description: description}) {
			if err != nil {
				return err
			}
			a.learn(ctx, msg.Managers)
			if msg.SessionID == "" {
				continue // it does not lead
			}
			if !opened && patience.Stop() {
				opened, s.SessionMessage = true, msg
				s.begin(life, open, flows)
			}
			a.Told(msg)
		}
		return errors.New("the manager ended the session")
	})
	err = flows.Wait()
	if context.Cause(patient) == errNoAnswer {
		err = errNoAnswer
	}
	return opened, err
}

// begin starts the flows of an open session, which end with ctx. What the crew
// does goes on until life ends.
func (s *session) begin(life, ctx context.Context, flows *errgroup.Group) {
	clear(s.said)
	s.Log.InfoContext(ctx, "session opened", "manager", s.addr, "session", s.SessionID)
	s.crew.reportAll()
	flows.Go(func() error { return s.beat(ctx) })
	flows.Go(func() error { return s.follow(life, ctx) })
	flows.Go(func() error { return s.report(ctx) })
	flows.Go(func() error { return s.watchSelf(ctx) })
	flows.Go(func() error { return s.answerLogs(ctx) })
}

// beat says again and again that the node lives. It gives up a manager that does
// not answer within a period: another session may still be in time.
func (s *session) beat(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	err := wire.Heartbeat.Call(ctx, s.client, func(ask func(wire.HeartbeatRequest) (wire.HeartbeatReply, error)) error {
		period := time.Duration(s.Heartbeat)
		for sleep(ctx, jittered(period)) {
			patience := time.AfterFunc(period, func() { giveUp(errSilent) })
			reply, err := ask(wire.HeartbeatRequest{SessionID: s.SessionID})
			patience.Stop()
			if err != nil {
				return err
			}
			period = time.Duration(reply.Period)
		}
		return ctx.Err()
	})
	if context.Cause(ctx) == errSilent {
		err = errSilent
	}
	return fmt.Errorf("heartbeat: %w", err)
}

func jittered(period time.Duration) time.Duration {
	most := max(period/heartbeatJitter, 1)
	return period - most + rand.N(2*most)
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

// watchSelf ends the session once the node is not what it was.
func (s *session) watchSelf(ctx context.Context) error {
	look := time.NewTicker(describePeriod)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			now, err := s.Describe(ctx)
			if err == nil && !reflect.DeepEqual(now, s.description) {
				return errIntroduce
			}
		case <-s.Renewed:
			return errIntroduce
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
