package agent

import (
	"context"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
)

// collectPeriod is how often a node looks for images that nothing needs.
const collectPeriod = 5 * time.Minute

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
	for bell.Sleep(ctx, jittered(collectPeriod)) == nil {
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
