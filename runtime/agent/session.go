package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// describePeriod is how often a node looks at itself, as Swarm does.
	describePeriod = 20 * time.Second

	// openPatience is how long a manager that answers may take to open a session.
	openPatience = 10 * time.Second

	// lasting is how long a session lasts that was of use: the leader may change every
	// few seconds.
	lasting = 2 * time.Second

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
	errNoManager = errors.New(`no manager is known: start the daemon again with the --join and --token that "swarmgit join-token worker" prints on a manager`)
	errSilent    = errors.New("no answer")
	errOver      = errors.New("the session with the manager has ended")
	errNoAnswer  = fmt.Errorf("no session within %s", openPatience)
)

// session is what the agent knows of one manager's session with it. Its fields
// are set before its flows begin.
type session struct {
	*Agent
	over   context.Context // ends with the session
	addr   string          // of the manager
	link   *wire.NodeEnd
	client *wire.Client // for what is in no message of the session
	wire.Place
	description specs.NodeDescription
	heard       chan time.Duration  // the answer to the heartbeat that was sent: in how long the next
	reported    chan *wire.Reported // the answer to the report that was sent

	// Of the goroutine that hears the manager.
	carried wire.Carried
	reading map[string]context.CancelFunc // by log request
}

// sessions keeps one session after the other until ctx ends. What the crew does
// goes on until life ends.
func (a *Agent) sessions(life, ctx context.Context) {
	a.said, a.begun = map[string]bool{}, time.Now()
	pause := backoff{}
	for ctx.Err() == nil {
		began := time.Now()
		opened, err := a.ask(life, ctx)
		if opened && time.Since(began) >= lasting {
			pause.reset()
		}
		if wire.KindOf(err) == wire.NotFound {
			a.removed.Store(true)
			_ = bell.Sleep(ctx, removedPause)
		} else {
			pause.wait(ctx)
		}
	}
}

// ask keeps a session with the likeliest leader among the managers that answer, or
// with the one that this one names as the leader. opened says whether a manager
// took it; the error says why it ended.
func (a *Agent) ask(life, ctx context.Context) (opened bool, err error) {
	description, err := a.self(ctx)
	if err != nil {
		a.complain(ctx, "", fmt.Errorf("describe this node: %w", err))
		return false, err
	}
	addrs, err := a.whom()
	if err != nil {
		if time.Since(a.begun) > lonelyPatience {
			a.complain(ctx, "", err)
		}
		return false, err
	}
	var asked []string
	for {
		addr, conn, err := a.reach(ctx, addrs)
		if err != nil {
			return false, err
		}
		opened, err = a.session(life, ctx, addr, conn, description)
		if !errors.Is(err, errIntroduce) {
			a.noUse(ctx, addr, fmt.Errorf("manager %s: %w", addr, err))
		}
		asked = append(asked, addr)
		leader := a.managers.leader()
		if opened || wire.KindOf(err) != wire.NotLeader || leader == "" || slices.Contains(asked, leader) || len(asked) == maxHops {
			return opened, err
		}
		addrs = slices.DeleteFunc(first(leader, a.managers.order(time.Now())), func(addr string) bool { return slices.Contains(asked, addr) })
	}
}

// self is what the node is, or was before its engine went away: that it does not
// answer is no reason for the managers to give up what runs.
func (a *Agent) self(ctx context.Context) (specs.NodeDescription, error) {
	now, err := a.Describe(ctx)
	switch {
	case err == nil:
		a.last = &now
	case errors.Is(err, executor.ErrTemporary) && a.last != nil:
		return *a.last, nil
	}
	return now, err
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
// ends. It closes the connection.
func (a *Agent) session(life, ctx context.Context, addr string, conn net.Conn, description specs.NodeDescription) (opened bool, err error) {
	defer conn.Close()
	select {
	case <-a.Renewed: // this session is of the newest certificate
	default:
	}
	patient, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patience := time.AfterFunc(openPatience, func() { giveUp(errNoAnswer) })
	defer patience.Stop()
	flows, open := errgroup.WithContext(patient)
	s := &session{
		Agent: a, over: open, addr: addr, link: wire.NewNodeEnd(conn), description: description,
		heard: make(chan time.Duration, 1), reported: make(chan *wire.Reported, 1), reading: map[string]context.CancelFunc{},
	}
	s.client = wire.NewClient(func(ctx context.Context) (net.Conn, error) { return a.Dial(ctx, addr, wire.Calls) })
	defer s.client.Close()
	flows.Go(func() error {
		if err := s.link.Send(wire.NodeMessage{Open: &wire.Open{Description: description, Trouble: a.Trouble()}}); err != nil {
			return err
		}
		for {
			msg, err := s.link.Receive(open)
			if err != nil {
				return err
			}
			if msg.Place != nil {
				a.learn(msg.Place.Managers)
			}
			if !opened && msg.Place != nil && msg.Place.SessionID != "" && patience.Stop() {
				opened, s.Place = true, *msg.Place
				s.begin(life, open, flows)
			}
			if !opened {
				continue // it does not lead, or too late
			}
			if err := s.hear(life, open, flows, msg); err != nil {
				return err
			}
		}
	})
	err = flows.Wait()
	a.desk.set(nil)
	if context.Cause(patient) == errNoAnswer {
		err = errNoAnswer
	}
	return opened, err
}

// begin starts the flows of an open session, which end with ctx. What the crew
// does goes on until life ends.
func (s *session) begin(life, ctx context.Context, flows *errgroup.Group) {
	clear(s.said)
	s.removed.Store(false)
	s.Log.InfoContext(ctx, "session opened", "manager", s.addr, "session", s.SessionID)
	s.desk.set(s)
	s.crew.reportAll()
	flows.Go(func() error { return s.beat(ctx) })
	flows.Go(func() error { return s.report(ctx) })
	flows.Go(func() error { return s.watchSelf(ctx) })
}

// hear does what a message of the manager asks for. What takes time goes on in
// flows, until ctx ends.
func (s *session) hear(life, ctx context.Context, flows *errgroup.Group, m wire.ManagerMessage) error {
	if m.Place != nil {
		s.Told(*m.Place)
	}
	if m.Assignments != nil {
		s.carried.Take(*m.Assignments)
		if err := s.crew.assign(life, *m.Assignments, &s.carried); err != nil {
			return err
		}
	}
	if m.Logs != nil {
		s.answerLogs(ctx, flows, *m.Logs)
	}
	if m.Command != nil {
		s.answerCommand(ctx, *m.Command)
	}
	if m.Heard != nil {
		select {
		case s.heard <- time.Duration(m.Heard.Next):
		default: // nothing was said
		}
	}
	if m.Reported != nil {
		select {
		case s.reported <- m.Reported:
		default: // nothing was reported
		}
	}
	return nil
}

// beat says again and again that the node lives. It gives up a manager that has not
// answered when the next would have followed: another session may still be in time.
func (s *session) beat(ctx context.Context) error {
	for next := time.Duration(s.Heartbeat); bell.Sleep(ctx, next) == nil; {
		if err := s.link.Send(wire.NodeMessage{Heartbeat: &wire.Heartbeat{Trouble: s.Trouble()}}); err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
		select {
		case next = <-s.heard:
		case <-time.After(next):
			return fmt.Errorf("heartbeat: %w", errSilent)
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// report tells the manager what changes, and goes on telling until it knows. What
// comes soon after a report waits for what comes with it, longer each time.
func (s *session) report(ctx context.Context) error {
	var pause time.Duration
	var last time.Time
	for {
		select {
		case <-s.outbox.wake:
			gather(ctx, s.outbox.urgent, reportPause)
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Since(last) < reportPause {
			_ = bell.Sleep(ctx, time.Until(last.Add(pause)))
			pause = min(max(4*pause, shortReportPause), reportPause)
		} else {
			pause = 0
		}
		for reports := s.outbox.take(); len(reports) > 0; reports = s.outbox.take() {
			if err := s.send(ctx, reports); err != nil {
				return fmt.Errorf("report: %w", err)
			}
		}
		last = time.Now()
	}
}

// send reports once. What the manager refuses for good is dropped with a word:
// sent again it would hold up everything behind it.
func (s *session) send(ctx context.Context, reports []wire.TaskReport) error {
	err := s.link.Send(wire.NodeMessage{Report: &wire.Report{Tasks: reports, Now: time.Now()}})
	if err == nil {
		select {
		case reply := <-s.reported:
			if reply.Refused != "" {
				s.Log.ErrorContext(ctx, "the manager refused reports", "error", reply.Refused)
			}
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.outbox.putBack(reports)
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
