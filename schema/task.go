package schema

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// capabilityNames are those of Linux, without CAP_.
var capabilityNames = strings.Fields(`AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN
	DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD
	NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT
	SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)

// capabilities are written as CAP_NET_ADMIN or ALL. What is added is not
// dropped, as in Swarm.
func (b *builder) capabilities(n *node, path string) (add, drop []string) {
	add = b.capabilityList(n.get("cap_add"), path+".cap_add")
	for _, c := range b.capabilityList(n.get("cap_drop"), path+".cap_drop") {
		if !slices.Contains(add, c) {
			drop = append(drop, c)
		}
	}
	return add, drop
}

func (b *builder) capabilityList(n *node, path string) []string {
	var out []string
	for _, item := range itemsOf(n) {
		name := strings.TrimPrefix(strings.ToUpper(item.value), "CAP_")
		switch {
		case name == "ALL":
			out = append(out, name)
		case slices.Contains(capabilityNames, name):
			out = append(out, "CAP_"+name)
		default:
			near := cmp.Or(b.to.didYouMean(name, capabilityNames), "; one is NET_ADMIN, see capabilities(7)")
			b.to.problem(item.pos, item.path(path), quote(item.value)+" is no capability"+near)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var ulimitNames = strings.Fields("core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack")

func (b *builder) ulimits(n *node, path string) []specs.Ulimit {
	var out []specs.Ulimit
	for _, f := range fieldsOf(n) {
		here := join(path, f.key)
		u := specs.Ulimit{Name: f.key, Soft: f.value.get("soft").int(), Hard: f.value.get("hard").int()}
		switch {
		case !slices.Contains(ulimitNames, f.key):
			b.to.problem(f.pos, here, "unknown limit; known are "+strings.Join(ulimitNames, ", "))
		case u.Soft < -1 || u.Hard < -1:
			b.to.problem(f.pos, here, "must be a whole number >= 0, or -1 for no limit")
		case u.Hard >= 0 && (u.Soft > u.Hard || u.Soft < 0):
			b.to.problem(f.pos, here, fmt.Sprintf("the soft limit must not be above the hard one, got %d and %d", u.Soft, u.Hard))
		}
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b specs.Ulimit) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// extraHosts are written as HOST:IP.
func (b *builder) extraHosts(n *node, path string) []string {
	var out []string
	for _, item := range itemsOf(n) {
		host, ip, _ := strings.Cut(item.value, ":")
		_, err := netip.ParseAddr(ip)
		switch {
		case ip == "host-gateway":
			b.to.partial(item.pos, item.path(path), "host-gateway is not built yet; until then the name is not known")
			continue
		case host == "" || err != nil:
			b.to.problem(item.pos, item.path(path), "must be HOST:IP"+got(item, path))
			continue
		}
		out = append(out, item.value)
	}
	return out
}

// signalNames are those of Linux, without SIG.
var signalNames = strings.Fields(`ABRT ALRM BUS CHLD CONT FPE HUP ILL INT IO KILL PIPE PROF PWR QUIT SEGV STKFLT STOP
	SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMIN+1 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5
	RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMAX-14 RTMAX-13 RTMAX-12
	RTMAX-11 RTMAX-10 RTMAX-9 RTMAX-8 RTMAX-7 RTMAX-6 RTMAX-5 RTMAX-4 RTMAX-3 RTMAX-2 RTMAX-1 RTMAX`)

// stopSignal is written as SIGTERM or as a number.
func (b *builder) stopSignal(n *node, path string) string {
	if n.text() == "" {
		return ""
	}
	if number, err := strconv.Atoi(n.value); err == nil && number >= 1 && number <= 64 {
		return n.value
	}
	name := strings.TrimPrefix(strings.ToUpper(n.value), "SIG")
	if !slices.Contains(signalNames, name) {
		message := "must be a signal such as SIGTERM" + got(n, path)
		if near := specs.Nearest(name, signalNames); near != "" {
			message += "; did you mean SIG" + near + "?"
		}
		b.to.problem(n.pos, path, message)
	}
	return "SIG" + name
}
