package specs

import "time"

// EventType says what kind of thing an event is about.
type EventType string

// The types of events.
const (
	EventRevision EventType = "revision"
	EventService  EventType = "service"
	EventTask     EventType = "task"
	EventNode     EventType = "node"
	EventSource   EventType = "source"
	EventSecret   EventType = "secret"
	EventConfig   EventType = "config"
	EventLeader   EventType = "leader"
)

// Event is one thing that happened in the cluster.
type Event struct {
	Time    time.Time `json:"time"`
	Type    EventType `json:"type"`
	Action  string    `json:"action"`            // running, paused, joined
	Name    string    `json:"name"`              // of what it happened to: shop_web.1, n2
	ID      string    `json:"id"`                // of the same; of a revision its commit
	Service string    `json:"service,omitempty"` // its name: of a service or a task
	Node    string    `json:"node,omitempty"`    // hostname: of a node, or of a task that is on one
	Message string    `json:"message,omitempty"` // why, in words
}
