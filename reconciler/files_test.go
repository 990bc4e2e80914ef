package reconciler

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// withConfigs is a tree whose one service has n configs of the largest size.
func withConfigs(n int) fstest.MapFS {
	files := fstest.MapFS{}
	var refs, configs []string
	for i := range n {
		name := fmt.Sprintf("c%d", i)
		files["stacks/shop/"+name] = &fstest.MapFile{Data: append(bytes.Repeat([]byte("x"), 1000<<10-1), byte(i))}
		refs, configs = append(refs, name), append(configs, fmt.Sprintf("%[1]s: {file: %[1]s}", name))
	}
	stack := fmt.Sprintf("services: {web: {image: web, configs: [%s]}}\nconfigs: {%s}\n", strings.Join(refs, ", "), strings.Join(configs, ", "))
	files["stacks/shop/stack.yml"] = &fstest.MapFile{Data: []byte(stack)}
	return files
}

func TestAPushBringsSoManyConfigs(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		said, err := m.pushed(t, pushOf(0, 1, withConfigs(4)))
		if err == nil || !strings.Contains(said, "the push brings 4000K of new secrets and configs, and may bring 3M:") {
			t.Fatalf("%v:\n%s", err, said)
		}
		if said, err = m.pushed(t, pushOf(0, 2, withConfigs(3))); err != nil {
			t.Fatalf("%v:\n%s", err, said)
		}
		// What the cluster has already is not brought again.
		if said, err = m.pushed(t, pushOf(2, 3, withConfigs(5))); err != nil {
			t.Fatalf("%v:\n%s", err, said)
		}
		service, _ := m.store.Snapshot().ServiceNamed("shop_web")
		task, _ := m.store.Snapshot().TaskSpec(service.Spec.Task)
		for _, ref := range task.Configs {
			payload, ok := m.store.Snapshot().Payload(ref.Version)
			if content, err := m.content(payload); !ok || err != nil || len(content) != 1000<<10 {
				t.Errorf("%s holds %d bytes, %v", ref.Name, len(content), err)
			}
		}
	})
}

// TestTheAgeKeyIsDrawnOnce also when several people ask first.
func TestTheAgeKeyIsDrawnOnce(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		keys := make(chan string, 4)
		for range cap(keys) {
			go func() {
				key, err := m.AgeRecipient(t.Context())
				if err != nil {
					t.Error(err)
				}
				keys <- key
			}()
		}
		first := <-keys
		for range cap(keys) - 1 {
			if other := <-keys; other != first || !strings.HasPrefix(other, "age1") {
				t.Errorf("got %q and %q", first, other)
			}
		}
		if text := string(m.store.Snapshot().Cluster().AgeKey); strings.Contains(text, "AGE-SECRET-KEY") {
			t.Error("the key lies in the clear")
		}
	})
}
