package containerd

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// hostFiles is the directory of a task's own /etc/hosts, /etc/hostname and
// /etc/resolv.conf. Tasks that share the host's network see its hosts and
// resolver, as they were when the task was prepared.
type hostFiles string

var hostFileNames = []string{"hosts", "hostname", "resolv.conf"}

// write makes the files. /etc names the host's directory.
func (f hostFiles) write(task executor.Task, etc string) error {
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	hosts, err := os.ReadFile(filepath.Join(etc, "hosts"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	resolv, err := os.ReadFile(filepath.Join(etc, "resolv.conf"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	contents := [][]byte{hostsFile(task, hosts), []byte(hostname(task) + "\n"), resolv}
	for i, name := range hostFileNames {
		if err := os.WriteFile(filepath.Join(string(f), name), contents[i], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hostsFile is the host's file with the task's name and its extra hosts, given
// as name:address or name=address, before it.
func hostsFile(task executor.Task, host []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "127.0.1.1\t%s\n", hostname(task))
	for _, entry := range task.Spec.ExtraHosts {
		i := strings.IndexAny(entry, "=:")
		if i < 0 {
			continue
		}
		address := strings.Trim(entry[i+1:], "[]")
		fmt.Fprintf(&b, "%s\t%s\n", cmp.Or(address, "127.0.0.1"), entry[:i])
	}
	b.Write(host)
	return b.Bytes()
}

func (f hostFiles) mounts() []ocispec.Mount {
	var all []ocispec.Mount
	for _, name := range hostFileNames {
		all = append(all, bind(filepath.Join(string(f), name), "/etc/"+name, "rw", "rprivate"))
	}
	return all
}
