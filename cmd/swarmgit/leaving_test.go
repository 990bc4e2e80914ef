package main

import "testing"

func TestAReasonIsSaidOnce(t *testing.T) {
	var why reasons
	why.add("10.0.0.1:2377", "connection refused")
	why.add("10.0.0.2:2377", "no leader")
	why.add("10.0.0.3:2377", "connection refused")
	if got, want := why.String(), "10.0.0.1:2377, 10.0.0.3:2377: connection refused; 10.0.0.2:2377: no leader"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
