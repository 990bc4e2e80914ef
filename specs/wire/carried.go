package wire

import "github.com/swarmgit/swarmgit/specs"

// Carried is the task specs that both ends of one session hold: a spec from
// the message that brings it until no task of the session names it.
// Each end hands it every message in order, so that they always agree on what
// need not be sent. The zero Carried is the beginning of a session. An end that has
// the specs elsewhere hands it messages without them, and asks Holds.
type Carried struct {
	specs map[specs.Hash]specs.TaskSpec
	users map[specs.Hash]int
	tasks map[string]specs.Hash
}

// Spec returns a spec that the session holds.
func (c *Carried) Spec(h specs.Hash) (specs.TaskSpec, bool) {
	spec, ok := c.specs[h]
	return spec, ok
}

// Holds reports that the session holds a spec.
func (c *Carried) Holds(h specs.Hash) bool { return c.users[h] > 0 }

// Take follows one message.
func (c *Carried) Take(a Assignments) {
	if c.tasks == nil {
		c.specs, c.users = map[specs.Hash]specs.TaskSpec{}, map[specs.Hash]int{}
		c.tasks = map[string]specs.Hash{}
	}
	for h, spec := range a.Specs {
		c.specs[h] = spec
	}
	for _, assignment := range a.Set {
		c.users[assignment.Spec]++
		c.release(assignment.TaskID)
		c.tasks[assignment.TaskID] = assignment.Spec
	}
	for _, id := range a.Remove {
		c.release(id)
	}
}

// release takes a task out; the spec that it was the last to name goes too.
func (c *Carried) release(id string) {
	h, ok := c.tasks[id]
	if !ok {
		return
	}
	delete(c.tasks, id)
	if c.users[h]--; c.users[h] == 0 {
		delete(c.users, h)
		delete(c.specs, h)
	}
}
