package wire

import (
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Managers and nodes are not upgraded at once: who is told in how long to send the next
// heartbeat, and who was told the period of all, understand each other. A node that is
// told no time would send one after the other, and give up every session.
func TestHeardIsWhatItWasOnTheWire(t *testing.T) {
	type before struct {
		Period specs.Duration `json:"period"`
	}
	for _, from := range []any{before{specs.Duration(time.Second)}, Heard{specs.Duration(time.Second)}} {
		data, err := encoding.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		var old before
		var now Heard
		for _, into := range []any{&old, &now} {
			if err := encoding.UnmarshalMessage(data, into); err != nil {
				t.Fatal(err)
			}
		}
		if time.Duration(old.Period) != time.Second || time.Duration(now.Next) != time.Second {
			t.Errorf("%#v is read as %+v and %+v", from, old, now)
		}
	}
}
