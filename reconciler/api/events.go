package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// ListEvents tells what happened in the cluster, as far as the manager that
// answers remembers, and what happens from then on. That is the one that was asked.
const ListEvents = wire.ServerStream[EventsRequest, EventsReply]("/swarmgit.api/ListEvents")

// EventsRequest narrows a list of events. Empty fields do not narrow; of several
// values of a field one has to fit.
type EventsRequest struct {
	Follow   bool              `json:"follow,omitempty"` // go on as events come, to Until if it is set
	Since    time.Time         `json:"since,omitzero"`
	Until    time.Time         `json:"until,omitzero"`
	Types    []specs.EventType `json:"types,omitempty"`
	Services []string          `json:"services,omitempty"` // shop_web or shop/web: it and its tasks
	Nodes    []string          `json:"nodes,omitempty"`    // hostnames: they and the tasks on them
}

// EventsReply carries events in the order in which the managers learned of them.
type EventsReply struct {
	Events []specs.Event `json:"events,omitempty"`
	Missed uint64        `json:"missed,omitempty"` // events before these that are forgotten, because they were read too slowly
}

// Events is what a manager remembers of what happened.
type Events interface {
	// After returns the oldest events behind a position, a bounded number of them,
	// and the position behind these; 0 is before the first. If there are none, more
	// closes once there are. missed counts those that are forgotten by now.
	After(position uint64) (events []specs.Event, next, missed uint64, more <-chan struct{})
}

// listEvents holds no events for the reader: one that is too slow is told how many
// it missed.
func (s *Server) listEvents(ctx context.Context, req EventsRequest, send func(EventsReply) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	reading := ctx
	if req.Follow && !req.Until.IsZero() {
		var cancel context.CancelFunc
		reading, cancel = context.WithTimeout(ctx, req.Until.Sub(s.Now()))
		defer cancel()
	}
	for position := uint64(0); ; {
		events, next, missed, more := s.Events.After(position)
		if position == 0 {
			missed = 0 // nobody was promised what came before
		}
		position = next
		reply := EventsReply{Events: slices.DeleteFunc(events, func(e specs.Event) bool { return !req.wants(e) }), Missed: missed}
		if len(reply.Events) > 0 || missed > 0 {
			if err := send(reply); err != nil {
				return err
			}
		}
		if len(events) > 0 {
			continue
		}
		if !req.Follow {
			return nil
		}
		select {
		case <-more:
		case <-reading.Done():
			if err := ctx.Err(); err != nil || !errors.Is(reading.Err(), context.DeadlineExceeded) {
				return err
			}
			return nil
		}
	}
}

func (r EventsRequest) wants(e specs.Event) bool {
	return !e.Time.Before(r.Since) && (r.Until.IsZero() || !e.Time.After(r.Until)) &&
		(len(r.Types) == 0 || slices.Contains(r.Types, e.Type)) &&
		fits(r.Services, e.Service) && fits(r.Nodes, e.Node)
}

// fits reports that a name is one of the wanted ones, whatever the case.
func fits(wanted []string, name string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool {
		return strings.EqualFold(strings.Replace(w, "/", "_", 1), name)
	})
}
