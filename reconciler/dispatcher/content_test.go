package dispatcher_test

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func (n *node) content(task, version string) (string, error) {
	reply, err := wire.Content.Call(n.Context(), n.client, wire.ContentRequest{
		SessionID: n.session.SessionID, TaskID: task, Version: specs.Hash(version),
	})
	return string(reply.Content), err
}

func (n *node) refusedContent(task, version string) error {
	_, err := n.content(task, version)
	return err
}

// secretService adds a service that has a secret and a label, and a template that
// may name it.
func (m *manager) secretService(name, version string) {
	m.Helper()
	spec := specs.TaskSpec{
		Image: name, Hostname: "{{.Service.Labels.tier}}",
		Secrets: []specs.FileRef{{Name: "tls", Version: specs.Hash(version), Target: "/run/secrets/tls"}},
	}
	m.write(
		specs.Change{Payload: &specs.Payload{Version: specs.Hash(version), Kind: specs.Secret, Data: []byte(version)}},
		specs.Change{TaskSpec: &spec},
		specs.Change{Service: specs.Insert(name, specs.Service{ID: name, Spec: specs.ServiceSpec{
			Name: name, Stack: "shop", Labels: map[string]string{"tier": "front"}, Task: encoding.HashTaskSpec(spec),
		}})})
}

// TestANodeGetsWhatItsTasksNeed and nothing else: not what a task of another node
// needs, nor what another task of its own does, nor what a task needed that ends.
func TestANodeGetsWhatItsTasksNeed(t *testing.T) {
	bubble(t, func(m *manager) {
		m.secretService("web", "v1")
		m.secretService("db", "v2")
		m.write(m.newTask("w1", "web", "n1"), m.newTask("d1", "db", "n2"), m.newTask("w2", "web", "n1"))
		n1, n2 := m.connect("n1"), m.connect("n2")
		for _, get := range []struct {
			n             *node
			task, version string
		}{{n1, "w1", "v1"}, {n2, "d1", "v2"}} {
			if got, err := get.n.content(get.task, get.version); err != nil || got != "opened "+get.version {
				t.Errorf("task %s gets %q, %v", get.task, got, err)
			}
		}
		m.write(m.want("w2", specs.StateShutdown))
		for what, err := range map[string]error{
			"another node's task":         n1.refusedContent("d1", "v2"),
			"another's secret by its own": n1.refusedContent("w1", "v2"),
			"a task that nobody knows":    n1.refusedContent("x", "v1"),
			"a task that is to end":       n1.refusedContent("w2", "v1"),
			"no version":                  n1.refusedContent("w1", ""),
		} {
			if wire.KindOf(err) != wire.PermissionDenied {
				t.Errorf("%s: %v", what, err)
			}
		}
		a, _ := n1.assignments()()
		if a.Set[0].Labels["tier"] != "front" {
			t.Errorf("templates cannot name the service's labels: %+v", a.Set[0])
		}
	})
}
