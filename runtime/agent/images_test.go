package agent_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

var registryLogin = specs.Login{User: "ana", Password: canary}

// login is what the managers keep for one image's registry.
func (c *cluster) login(image string) (specs.Login, error) {
	if image == "private.example/web:1" {
		return registryLogin, nil
	}
	return specs.Login{}, nil
}

// TestARegistryWantsALogin for a task's image: the manager has it, the disk never.
func TestARegistryWantsALogin(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.engine.SetImage("private.example/web:1", executortest.Behaviour{Registry: &registryLogin})
		n.engine.SetImage("other.example/web:1", executortest.Behaviour{Registry: &registryLogin})
		c.service("web", specs.TaskSpec{Image: "private.example/web:1"})
		c.service("other", specs.TaskSpec{Image: "other.example/web:1"})
		mine, other := c.assign("web", "n1", specs.StateRunning), c.assign("other", "n1", specs.StateRunning)
		after(time.Minute)
		c.sees(mine, specs.StateRunning)
		c.sees(other, specs.StateRejected)

		// Without a manager nothing is known of a login, and the task waits.
		late := c.assign("web", "n1", specs.StateReady)
		n.daemon.stop()
		n.disconnect()
		n.start()
		after(time.Minute)
		n.reconnect()
		after(time.Minute)
		c.sees(late, specs.StateReady)
		n.daemon.stop()
		n.wantNotOnDisk()
	})
}

// keeper is images of a node, and when the agent wanted them collected.
type keeper struct {
	mu   sync.Mutex
	runs []string // what was needed each time
	err  error
}

func (k *keeper) collect(_ context.Context, needed []string, now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.runs = append(k.runs, strings.Join(needed, " "))
	if !now.Equal(time.Now()) {
		k.err = errors.New("it is told another time")
	}
	return k.err
}

func (k *keeper) taken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	runs := k.runs
	k.runs = nil
	return runs
}

// TestImagesAreCollected but for those of the node's tasks, ended ones too, and
// those to which their services are going or would go back; and not while no
// manager says which these are.
func TestImagesAreCollected(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		k := &keeper{}
		n := c.machine("n1")
		n.adapt = func(config *agent.Config) { config.Collect = k.collect }
		n.start()
		old := c.service("web", specs.TaskSpec{Image: "web:1"})
		c.service("elsewhere", specs.TaskSpec{Image: "elsewhere:1"})
		c.node("n2")
		c.assign("elsewhere", "n2", specs.StateRunning)
		id := c.assign("web", "n1", specs.StateRunning)
		next, before := specs.TaskSpec{Image: "web:2"}, specs.TaskSpec{Image: "web:0"}
		c.write(specs.Change{TaskSpec: &next}, specs.Change{TaskSpec: &before}, specs.Change{Rollout: specs.Set("web", 0, specs.Rollout{
			Target: encoding.HashTaskSpec(next), Completed: encoding.HashTaskSpec(before),
		})})
		after(time.Minute)
		if runs := k.taken(); len(runs) > 0 {
			t.Errorf("at once: %q", runs)
		}
		after(5 * time.Minute)
		if runs := k.taken(); !slices.Equal(runs, []string{"web:0 web:1 web:2"}) {
			t.Errorf("needed: %q", runs)
		}
		c.want(id, specs.StateShutdown)
		after(5 * time.Minute)
		if runs := k.taken(); !slices.Equal(runs, []string{"web:0 web:1 web:2"}) {
			t.Errorf("needed when the task has ended: %q", runs)
		}
		n.disconnect()
		after(time.Hour)
		if runs := k.taken(); len(runs) > 0 {
			t.Errorf("without a manager: %q", runs)
		}
		n.reconnect()
		c.forget(id)
		after(10 * time.Minute)
		if runs := k.taken(); len(runs) == 0 || runs[len(runs)-1] != "" {
			t.Errorf("needed when the task is forgotten (its spec was %s): %q", old.Short(), runs)
		}
	})
}
