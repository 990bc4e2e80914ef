package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/runtime/secrets"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

const canary = "canary-of-the-agent"

// content opens nothing: payloads of these tests are not sealed.
func (c *cluster) content(p specs.Payload) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return p.Data, nil
}

func (c *cluster) contentsAsked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// withFiles is a node with memory for secrets, and a service web that has a
// secret and a config with a template.
func (c *cluster) withFiles() (*node, *secrets.Dir) {
	place := fmt.Sprintf("/dev/shm/swarmgit-agent-test-%d", os.Getpid())
	files := secrets.New(place)
	c.Cleanup(func() {
		if err := files.Clear(); err != nil {
			c.Error(err)
		}
	})
	n := c.machine("n1")
	n.adapt = func(config *agent.Config) { config.Files = files }
	mode := uint32(0o400)
	spec := specs.TaskSpec{
		Image: "web:1", Hostname: "web-{{.Task.Slot}}", Env: []string{"TIER={{.Service.Labels.tier}}"},
		Secrets: []specs.FileRef{{Name: "tls", Version: "v1", Target: "/run/secrets/tls", Mode: &mode}},
		Configs: []specs.FileRef{{Name: "conf", Version: "v2", Target: "/conf", Template: specs.TemplateGolang}},
	}
	c.write(
		specs.Change{Payload: &specs.Payload{Version: "v1", Kind: specs.Secret, Data: []byte(canary)}},
		specs.Change{Payload: &specs.Payload{Version: "v2", Kind: specs.Config, Data: []byte(`{{.Task.Name}} {{env "TIER"}} {{secret "tls"}}`)}},
		specs.Change{TaskSpec: &spec},
		specs.Change{Service: specs.Insert("web", specs.Service{ID: "web", Created: time.Now(), Spec: specs.ServiceSpec{
			Name: "web", Stack: "shop", Labels: map[string]string{"tier": "front"}, Task: encoding.HashTaskSpec(spec),
		}})})
	n.start()
	return n, files
}

func (n *node) wantFiles(id string) {
	n.Helper()
	n.wantFile(id, "/run/secrets/tls", canary)
	n.wantFile(id, "/conf", "web.1 front "+canary)
}

func (n *node) wantFile(id, path, want string) {
	n.Helper()
	content, _, err := n.engine.ReadFile(id, path)
	if err != nil || string(content) != want {
		n.Errorf("%s holds %q, %v; want %q", path, content, err, want)
	}
}

// A process is told where its files are, and so are its templates.
func TestAProcessIsToldWhereItsSecretsAre(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, files := c.withFiles()
		secret, conf := specs.FileRef{Name: "tls", Version: "v1", Target: "deep/tls"}, specs.FileRef{Name: "conf", Version: "v3", Target: "conf", Template: specs.TemplateGolang}
		spec := specs.TaskSpec{Runtime: specs.RuntimeProcess, Command: []string{"web"}, Env: []string{"CONFIGURATION_DIRECTORY=own"},
			Secrets: []specs.FileRef{secret}, Configs: []specs.FileRef{conf}}
		c.write(specs.Change{Payload: &specs.Payload{Version: "v3", Kind: specs.Config, Data: []byte(`{{env "CREDENTIALS_DIRECTORY"}} {{secret "deep/tls"}}`)}},
			specs.Change{TaskSpec: &spec}, specs.Change{Service: specs.Insert("host", specs.Service{ID: "host", Created: time.Now(),
				Spec: specs.ServiceSpec{Name: "host", Stack: "shop", Task: encoding.HashTaskSpec(spec)}})})
		id := c.assign("host", "n1", specs.StateRunning)
		after(time.Second)
		c.sees(id, specs.StateRunning)
		dir, ok := files.Find(id)
		want := []string{"CONFIGURATION_DIRECTORY=own", "CREDENTIALS_DIRECTORY=" + dir + "/secrets"}
		if env := n.engine.Running()[0].Spec.Env; !ok || !slices.Equal(env, want) {
			t.Errorf("its environment is %q, want %q", env, want)
		}
		n.wantFile(id, dir+"/secrets/deep/tls", canary)
		n.wantFile(id, dir+"/configs/conf", dir+"/secrets "+canary)
		n.restart()
		after(time.Minute)
		c.sees(id, specs.StateRunning)
		n.wantFile(id, dir+"/secrets/deep/tls", canary)
		c.want(id, specs.StateShutdown)
		after(time.Minute)
		if _, ok := files.Find(id); ok {
			t.Error("the files of an ended task are left")
		}
		n.daemon.stop()
		n.wantNotOnDisk()
	})
}

func TestSecretsAreThereAsLongAsTheirTask(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, files := c.withFiles()
		id := c.assign("web", "n1", specs.StateRunning)
		after(time.Second)
		c.sees(id, specs.StateRunning)
		n.wantFiles(id)
		if task := n.engine.Running()[0]; task.Spec.Hostname != "web-1" || task.Spec.Env[0] != "TIER=front" {
			t.Errorf("templates are not expanded: %+v", task.Spec)
		}
		asked := c.contentsAsked()
		n.restart()
		after(time.Minute)
		c.sees(id, specs.StateRunning)
		n.wantFiles(id)
		if again := c.contentsAsked(); again != asked {
			t.Errorf("a restarted daemon asks for %d secrets of what runs", again-asked)
		}
		c.want(id, specs.StateShutdown)
		after(time.Minute)
		c.sees(id, specs.StateShutdown)
		if _, ok := files.Find(id); ok {
			t.Error("the files of an ended task are left")
		}
		n.daemon.stop()
		n.wantNotOnDisk()
	})
}

// wantNotOnDisk looks for the secret in all that the agent has written.
func (n *node) wantNotOnDisk() {
	n.Helper()
	names, err := filepath.Glob(filepath.Join(n.dir, "*"))
	if err != nil || len(names) == 0 {
		n.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || strings.Contains(string(text), canary) {
			n.Errorf("a secret is in %s, %v", name, err)
		}
	}
}

// TestAfterARestartOfTheMachineSecretsComeAgain from a manager, and until one is
// there the task says what it waits for.
func TestAfterARestartOfTheMachineSecretsComeAgain(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, files := c.withFiles()
		id := c.assign("web", "n1", specs.StateReady)
		after(time.Second)
		c.sees(id, specs.StateReady)
		n.daemon.stop()
		n.engine.Reboot()
		if err := files.Clear(); err != nil {
			t.Fatal(err)
		}
		n.disconnect()
		n.start()
		after(time.Minute)
		if _, ok := files.Find(id); ok {
			t.Error("secrets are there that nobody sent")
		}
		n.reconnect()
		after(time.Minute)
		c.want(id, specs.StateRunning)
		after(time.Minute)
		c.sees(id, specs.StateRunning)
		n.wantFiles(id)
		n.startedOnce()
	})
}

// TestWhatCannotBeReadyIsRejected with the reason.
func TestWhatCannotBeReadyIsRejected(t *testing.T) {
	for name, tc := range map[string]struct {
		spec specs.TaskSpec
		want string
	}{
		"a label that is gone": {specs.TaskSpec{Image: "web:1", Hostname: "{{.Service.Labels.gone}}"},
			`expand the host name: .Service.Labels.gone: there is no "gone"`},
		"a secret that the service lacks": {specs.TaskSpec{Image: "web:1", Configs: []specs.FileRef{
			{Name: "conf", Version: "v3", Target: "/conf", Template: specs.TemplateGolang}}},
			"expand the template of config conf: the service has no secret at /run/secrets/none"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, c *cluster) {
				c.withFiles()
				c.write(specs.Change{Payload: &specs.Payload{Version: "v3", Kind: specs.Config, Data: []byte(`{{secret "none"}}`)}},
					specs.Change{TaskSpec: &tc.spec}, specs.Change{Service: specs.Insert("bad", specs.Service{ID: "bad", Created: time.Now(),
						Spec: specs.ServiceSpec{Name: "bad", Stack: "shop", Task: encoding.HashTaskSpec(tc.spec)}})})
				id := c.assign("bad", "n1", specs.StateRunning)
				after(time.Minute)
				if got := c.sees(id, specs.StateRejected).Seen.Err; !strings.Contains(got, tc.want) {
					t.Errorf("says %q, want %q", got, tc.want)
				}
			})
		})
	}
}

// TestANodeWithoutMemoryForSecretsSaysSo and never writes them elsewhere.
func TestANodeWithoutMemoryForSecretsSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n, _ := c.withFiles()
		n.daemon.stop()
		n.adapt = func(*agent.Config) {}
		n.start()
		id := c.assign("web", "n1", specs.StateRunning)
		after(time.Minute)
		if got := c.sees(id, specs.StateRejected).Seen.Err; !strings.Contains(got, "this node has no memory for secrets and configs") {
			t.Errorf("says %q", got)
		}
	})
}

// A task whose secrets find no room in the node's memory waits for it, and says so.
func TestATaskWaitsForMemoryForItsSecrets(t *testing.T) {
	mountstest.NeedRoot(t)
	place := filepath.Join(t.TempDir(), "secrets")
	bubble(t, func(t *testing.T, c *cluster) {
		n, _ := c.withFiles()
		n.daemon.stop()
		n.adapt = func(config *agent.Config) { config.Files = secrets.New(place) }
		n.start()
		after(time.Second) // it gives a place back that nothing is in
		if err := os.Mkdir(place, 0o700); err != nil {
			t.Fatal(err)
		}
		mountstest.Mount(t, place, "mode=0700,nr_inodes=3") // the place, a task's directory, one of its two files
		id := c.assign("web", "n1", specs.StateRunning)
		after(time.Minute)
		if got := c.sees(id, specs.StatePreparing).Seen.Message; !strings.Contains(got, "this node's memory") || !strings.Contains(got, "no space left on device") {
			t.Errorf("says %q", got)
		}
		mountstest.Resize(t, place, "nr_inodes=100")
		after(time.Minute)
		c.sees(id, specs.StateRunning)
		n.wantFiles(id)
		c.want(id, specs.StateShutdown)
		after(time.Minute)
		c.sees(id, specs.StateShutdown)
	})
}
