package specs

import "time"

// Review is what a branch that the cluster does not follow would do, as it was
// planned when the branch was last pushed. Written by git.
type Review struct {
	Branch  string    `json:"branch"` // review/debug
	Commit  string    `json:"commit"` // 40 hex digits
	Author  string    `json:"author"`
	Subject string    `json:"subject"`        // first line of the message
	Created time.Time `json:"created"`        // when it was planned
	Base    string    `json:"base,omitempty"` // the commit that the cluster was at; empty for none
	Verdict string    `json:"verdict"`
	Plan    []byte    `json:"plan"` // JSON, see planner.Plan.Keep
	Version uint64    `json:"version"`
}
