package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	// collectPeriod is how often a node looks for images that nothing needs.
	collectPeriod = 5 * time.Minute
	// collectJitter is by how much it looks earlier or later at most: all nodes ask
	// the same manager.
	collectJitter = collectPeriod / 10
)

// NeededImages are the images that this node must keep, as a manager says. It
// waits for one until ctx ends.
func (a *Agent) NeededImages(ctx context.Context) ([]string, error) { return a.desk.needed(ctx) }

// collect has images removed that nothing needs, until ctx ends. While no manager
// says what is needed nothing is removed.
func (a *Agent) collect(ctx context.Context) {
	if a.Collect == nil {
		return
	}
	said := ""
	for bell.Sleep(ctx, collectPeriod-collectJitter+rand.N(2*collectJitter)) == nil {
		needed, err := a.NeededImages(ctx)
		if err == nil {
			err = a.Collect(ctx, needed, time.Now())
		}
		switch {
		case ctx.Err() != nil:
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			a.Log.WarnContext(ctx, "unused images are not looked for", "error", err)
		}
	}
}
