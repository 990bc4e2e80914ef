package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// happened is what a manager remembers. It hands over two events at a time.
type happened struct {
	mu      sync.Mutex
	events  []specs.Event
	forgot  uint64 // of the first
	changed chan struct{}
}

func (h *happened) After(position uint64) ([]specs.Event, uint64, uint64, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	missed := uint64(0)
	if position < h.forgot {
		missed, position = h.forgot-position, h.forgot
	}
	rest := h.events[position:]
	rest = slices.Clone(rest[:min(len(rest), 2)])
	return rest, position + uint64(len(rest)), missed, h.changed
}

// add appends events; so many of the first are forgotten by then.
func (h *happened) add(forgot uint64, events ...specs.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events, h.forgot = append(h.events, events...), forgot
	close(h.changed)
	h.changed = make(chan struct{})
}

func eventsOf(at time.Time) *happened {
	event := func(seconds int, t specs.EventType, name, service, node string) specs.Event {
		return specs.Event{Time: at.Add(time.Duration(seconds) * time.Second), Type: t, Name: name, Service: service, Node: node}
	}
	return &happened{changed: make(chan struct{}), events: []specs.Event{
		event(1, specs.EventNode, "n1", "", "n1"), event(2, specs.EventService, "shop_web", "shop_web", ""),
		event(3, specs.EventTask, "shop_web.1", "shop_web", "n1"), event(4, specs.EventTask, "shop_db.1", "shop_db", "n2"),
		event(5, specs.EventRevision, "main 7bd31c2", "", ""),
	}}
}

func TestWhichEventsAreTold(t *testing.T) {
	s := newWorld(t).server()
	s.Events = eventsOf(noon)
	for _, c := range []struct {
		req  EventsRequest
		want string
	}{
		{EventsRequest{}, "n1,shop_web,shop_web.1,shop_db.1,main 7bd31c2"},
		{EventsRequest{Since: noon.Add(2 * time.Second), Until: noon.Add(3 * time.Second)}, "shop_web,shop_web.1"},
		{EventsRequest{Types: []specs.EventType{specs.EventNode, specs.EventRevision}}, "n1,main 7bd31c2"},
		{EventsRequest{Services: []string{"shop/web"}}, "shop_web,shop_web.1"},
		{EventsRequest{Services: []string{"SHOP_DB", "shop_web"}, Types: []specs.EventType{specs.EventTask}}, "shop_web.1,shop_db.1"},
		{EventsRequest{Nodes: []string{"n1"}}, "n1,shop_web.1"},
		{EventsRequest{Nodes: []string{"n1"}, Services: []string{"shop_db"}}, ""},
	} {
		var names []string
		err := s.listEvents(t.Context(), c.req, func(r EventsReply) error {
			for _, e := range r.Events {
				names = append(names, e.Name)
			}
			return nil
		})
		if got := strings.Join(names, ","); err != nil || got != c.want {
			t.Errorf("%+v: %s, %v, want %s", c.req, got, err, c.want)
		}
	}
}

// follow reads events until ctx or the request ends.
func follow(ctx context.Context, s *Server, req EventsRequest, replies *[]EventsReply) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		ended <- s.listEvents(ctx, req, func(r EventsReply) error {
			*replies = append(*replies, r)
			return nil
		})
	}()
	synctest.Wait()
	return ended
}

func TestEventsAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s, h := newWorld(t).server(), eventsOf(began)
		s.Now, s.Events = time.Now, h
		node := func(name string) specs.Event {
			return specs.Event{Time: began.Add(6 * time.Second), Type: specs.EventNode, Name: name}
		}
		var replies, late []EventsReply
		ended := follow(t.Context(), s, EventsRequest{Follow: true, Types: []specs.EventType{specs.EventNode}, Until: began.Add(time.Minute)}, &replies)
		if len(replies) != 1 || replies[0].Events[0].Name != "n1" {
			t.Errorf("there was %+v", replies)
		}
		h.add(0, node("n2"))
		synctest.Wait()
		if len(replies) != 2 || replies[1].Events[0].Name != "n2" {
			t.Errorf("what came is told as %+v", replies)
		}
		h.add(9, node("a"), node("b"), node("c"), node("n3")) // three came and went
		synctest.Wait()
		if len(replies) != 3 || replies[2].Missed != 3 || replies[2].Events[0].Name != "n3" {
			t.Errorf("what was missed is told as %+v", replies)
		}
		if err := <-ended; err != nil || time.Since(began) != time.Minute {
			t.Errorf("it ends after %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended = follow(ctx, s, EventsRequest{Follow: true}, &late)
		if len(late) != 1 || late[0].Missed != 0 {
			t.Errorf("somebody new is told %+v", late)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a reader who is gone: %v", err)
		}
	})
}

// restarts notes what is asked of the manager.
type restarts struct {
	Restarts
	asked []string
}

func (r *restarts) Restart(_ context.Context, service string, _ bool) error {
	r.asked = append(r.asked, service)
	return nil
}

func TestARestartFindsItsService(t *testing.T) {
	s, asked := prod(t).server(), &restarts{}
	s.Restarts = asked
	for _, name := range []string{"shop_web", "shop/web", "Shop_Web", id("web")} {
		if svc, err := s.restartService(t.Context(), RestartServiceRequest{Name: name}); err != nil || svc.Spec.Name != "shop_web" {
			t.Errorf("%s: %s, %v", name, svc.Spec.Name, err)
		}
	}
	_, err := s.restartService(t.Context(), RestartServiceRequest{Name: "shop/wbe"})
	wantKind(t, err, wire.NotFound, "no such service: shop/wbe; did you mean shop_web? (see: swarmgit service ls)")
	if len(asked.asked) != 4 {
		t.Errorf("asked for %q", asked.asked)
	}
}
