package schema

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// mounts are those of volumes and of tmpfs, in the order of the file.
func (b *builder) mounts(n *node, at string) []specs.Mount {
	m := mountList{builder: b, targets: map[string]*node{}}
	for _, item := range itemsOf(n.get("volumes")) {
		m.volume(item, item.path(at+".volumes"))
	}
	for _, item := range itemsOf(n.get("tmpfs")) {
		m.tmpfs(item, item.path(at+".tmpfs"))
	}
	return m.out
}

type mountList struct {
	*builder
	targets map[string]*node
	out     []specs.Mount
}

// volume takes one long form. Each kind has options that do not go with others.
func (m *mountList) volume(n *node, at string) {
	mount := specs.Mount{
		Type:     specs.MountType(n.get("type").text()),
		Source:   n.get("source").text(),
		Target:   n.get("target").text(),
		ReadOnly: n.get("read_only").bool(),
	}
	if mount.Type == "" || n.wasLost("target") || !m.freeTarget(n, mount.Target, at) {
		return
	}
	for _, options := range []string{"bind", "volume", "tmpfs"} {
		if o := n.field(options); o != nil && options != string(mount.Type) {
			m.to.problem(o.pos, at+"."+options, fmt.Sprintf("does not go with type: %s", mount.Type))
			return
		}
	}
	m.checkTemplate(n.pos, at, mount.Source)
	m.checkTemplate(n.pos, at, mount.Target)
	switch mount.Type {
	case specs.MountBind:
		mount.Propagation = n.at("bind", "propagation").text()
		mount.CreateHost = n.at("bind", "create_host_path").bool()
		m.bind(n, mount, at)
	case specs.MountVolume:
		m.named(n, mount, at)
	case specs.MountTmpfs:
		if mount.Source != "" {
			m.to.problem(n.get("source").pos, at+".source", "a tmpfs has no source")
			return
		}
		mount.TmpfsSize = specs.Bytes(n.at("tmpfs", "size").int())
		m.out = append(m.out, mount)
	default:
		m.to.partial(n.get("type").pos, at, fmt.Sprintf("mounts of type %s are not built yet", mount.Type))
	}
}

// freeTarget checks where the mount goes.
func (m *mountList) freeTarget(n *node, target, at string) bool {
	if !path.IsAbs(target) {
		m.to.problem(n.pos, at, "the target must be an absolute path in the container, got "+quote(target))
		return false
	}
	target = path.Clean(target)
	if target == "/" {
		m.to.problem(n.pos, at, "the target must not be / itself, where the whole image is")
		return false
	}
	if first := m.targets[target]; first != nil {
		m.to.problem(n.pos, at, fmt.Sprintf("something else is mounted on %s, at %s", target, place(first.pos, n.pos)))
		return false
	}
	m.targets[target] = n
	return true
}

func (m *mountList) bind(n *node, mount specs.Mount, at string) {
	switch source := mount.Source; {
	case source == "":
		m.to.problem(n.pos, at, "a bind needs a source")
	case strings.HasPrefix(source, "~"):
		m.to.problem(n.pos, at, "~ is nobody's home on a node: write an absolute path, got "+quote(source))
	case !path.IsAbs(source):
		m.to.partial(n.pos, at, fmt.Sprintf("binds of the repository's own files are not built yet; until then %s is not mounted; an absolute path is one of the node", mount.Target))
	case specs.HoldsEngineSocket(source):
		m.to.partial(n.pos, at, "the socket of a container engine, or its folder, needs to be allowed by the cluster's settings, which is not built yet; until then it is not mounted")
	case path.Clean(source) == "/":
		m.to.warn(n.pos, at, "the whole node is in the container, with its engines' sockets, which open it also where they are read-only")
		m.out = append(m.out, mount)
	default:
		m.out = append(m.out, mount)
	}
}

func (m *mountList) named(n *node, mount specs.Mount, at string) {
	if mount.Source == "" {
		m.to.partial(n.pos, at, fmt.Sprintf("volumes are not built yet; until then what is in %s is lost with its task", mount.Target))
		return
	}
	volumes := m.root.get("volumes")
	if volumes.field(mount.Source) == nil {
		m.to.problem(n.pos, at, fmt.Sprintf("no volume %s in the top-level volumes; for a folder write ./%s%s",
			quote(mount.Source), shortened(mount.Source), m.to.didYouMean(mount.Source, keysOf(volumes))))
		return
	}
	m.to.partial(n.pos, at, fmt.Sprintf("volumes are not built yet; until then what is in %s is lost with its task", mount.Target))
}

// tmpfs takes TARGET or TARGET:OPTION,OPTION=VALUE.
func (m *mountList) tmpfs(n *node, at string) {
	target, options, _ := strings.Cut(n.value, ":")
	if !m.freeTarget(n, target, at) {
		return
	}
	mount := specs.Mount{Type: specs.MountTmpfs, Target: target}
	for option := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "":
		case "size":
			size, err := specs.ParseBytes(value)
			if err != nil {
				m.to.problem(n.pos, at, "the size must be such as 64m, got "+quote(value))
			}
			mount.TmpfsSize = size
		case "mode":
			mode, err := strconv.ParseUint(value, 8, 12)
			if err != nil {
				m.to.problem(n.pos, at, "the mode must be such as 1777, got "+quote(value))
			}
			mount.TmpfsMode = uint32(mode)
		case "ro":
			mount.ReadOnly = true
		case "rw":
		default:
			mount.TmpfsOpts = append(mount.TmpfsOpts, option)
		}
	}
	slices.Sort(mount.TmpfsOpts)
	m.out = append(m.out, mount)
}
