package events

import (
	"strconv"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

func numbered(from, to int) []specs.Event {
	var events []specs.Event
	for i := from; i < to; i++ {
		events = append(events, specs.Event{ID: strconv.Itoa(i)})
	}
	return events
}

func TestAReaderGetsEachEventOnce(t *testing.T) {
	var r Record
	_, position, _, more := r.After(0)
	r.Add()
	select {
	case <-more:
		t.Fatal("nothing woke the reader")
	default:
	}
	const total = 3 * batch / 2
	r.Add(numbered(0, total)...)
	<-more
	for read := 0; read < total; {
		events, next, missed, _ := r.After(position)
		if len(events) == 0 || len(events) > batch || missed != 0 || events[0].ID != strconv.Itoa(read) {
			t.Fatalf("after %d: %d events, %d missed", read, len(events), missed)
		}
		read, position = read+len(events), next
	}
	if events, next, _, more := r.After(position); len(events) != 0 || next != position || more == nil {
		t.Errorf("%d events are read again", len(events))
	}
}

func TestASlowReaderIsToldWhatItMissed(t *testing.T) {
	var r Record
	r.Add(numbered(0, 10)...)
	_, position, _, _ := r.After(0)
	for i := 10; i < Kept+25; i++ {
		r.Add(numbered(i, i+1)...)
	}
	events, next, missed, _ := r.After(position)
	if missed != 15 || events[0].ID != "25" || next != 25+batch || len(r.kept) != Kept {
		t.Errorf("%d missed, then %s to %d; %d are kept", missed, events[0].ID, next, len(r.kept))
	}
	r.Add(numbered(0, 3*Kept)...)
	if len(r.kept) != Kept || r.kept[Kept-1].ID != strconv.Itoa(3*Kept-1) {
		t.Errorf("%d are kept, the last is %s", len(r.kept), r.kept[len(r.kept)-1].ID)
	}
}
