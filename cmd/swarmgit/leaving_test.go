package main

import (
	"context"
	"testing"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// Who asks second is told so, and hears nothing of what the first one waits for.
func TestANodeIsAskedToLeaveOnce(t *testing.T) {
	n := &node{leaving: newLeaving()}
	gone, cancel := context.WithCancel(t.Context())
	cancel() // whoever asks here does not wait
	if err := n.askToLeave(gone, leaveRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	<-n.leaving.asked // as the node does that leaves
	if err := n.askToLeave(gone, leaveRequest{}, nil); wire.KindOf(err) != wire.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

func TestAReasonIsSaidOnce(t *testing.T) {
	var why reasons
	why.add("10.0.0.1:2377", "connection refused")
	why.add("10.0.0.2:2377", "no leader")
	why.add("10.0.0.3:2377", "connection refused")
	if got, want := why.String(), "10.0.0.1:2377, 10.0.0.3:2377: connection refused; 10.0.0.2:2377: no leader"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A daemon whose socket is forwarded from another machine ends there.
func TestLeavingElsewhereIsNotSeen(t *testing.T) {
	if err := awaitLeft(t.Context(), t.TempDir()+"/none"); err == nil {
		t.Error("the node is said to have left")
	}
}
