package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// still is a manager whose cluster does not change.
type still struct{ snap store.Snapshot }

func (s still) Snapshot() store.Snapshot             { return s.snap }
func (still) NodeStatus(specs.Node) specs.NodeStatus { return specs.NodeReady }
func (still) Looks(string) (time.Time, int, bool)    { return time.Time{}, 0, true }
func (still) Raft() Raft                             { return Raft{} }

// The revisions of a source outlive it, as history. Its series do not.
func TestARemovedSourceHasNoSeries(t *testing.T) {
	s := store.New()
	var tx specs.Transaction
	for _, name := range []string{"kept", "gone"} {
		rev := specs.Revision{ID: name, Source: name, Commit: name, Created: time.Unix(1, 0), Progress: specs.RevisionProgress{State: specs.RevisionHealthy}}
		tx = append(tx, specs.Change{Revision: specs.Insert(name, rev)})
	}
	tx = append(tx, specs.Change{Source: specs.Insert("kept", specs.Source{Name: "kept"})})
	if errs := s.Apply(1, []specs.Transaction{tx}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	answer := httptest.NewRecorder()
	New("test", still{s.Snapshot()}).Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text := answer.Body.String()
	for _, series := range []string{"swarmgit_revision_state", "swarmgit_revision_created_timestamp_seconds", "swarmgit_source_failures"} {
		if !strings.Contains(text, series+`{source="kept"`) || strings.Contains(text, series+`{source="gone"`) {
			t.Errorf("%s: in\n%s", series, text)
		}
	}
}
