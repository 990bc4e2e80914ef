package containerd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/pkg/cap"
)

// allCapabilities is the word that stands for every one.
const allCapabilities = "ALL"

// defaultCapabilities are those that Docker gives to a container.
var defaultCapabilities = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// capabilities are the default ones with add and drop applied, sorted. An added
// one stays even if all are dropped.
func capabilities(add, drop []string) ([]string, error) {
	known, err := cap.Current()
	if err != nil {
		return nil, fmt.Errorf("read this machine's capabilities: %w", err)
	}
	add, err = capabilityNames(add, known)
	if err != nil {
		return nil, err
	}
	drop, err = capabilityNames(drop, known)
	if err != nil {
		return nil, err
	}
	base := defaultCapabilities
	switch {
	case slices.Contains(add, allCapabilities):
		base, add = known, nil
	case slices.Contains(drop, allCapabilities):
		base, drop = nil, nil
	}
	var result []string
	for _, name := range slices.Concat(base, add) {
		if !slices.Contains(drop, name) {
			result = append(result, name)
		}
	}
	slices.Sort(result)
	return slices.Compact(result), nil
}

// capabilityNames turns "net_admin" into "CAP_NET_ADMIN".
func capabilityNames(given, known []string) ([]string, error) {
	names := make([]string, 0, len(given))
	for _, name := range given {
		full := strings.ToUpper(name)
		if full != allCapabilities && !strings.HasPrefix(full, "CAP_") {
			full = "CAP_" + full
		}
		if full != allCapabilities && !slices.Contains(known, full) {
			return nil, fmt.Errorf("capability %q is not known on this machine", name)
		}
		names = append(names, full)
	}
	return names, nil
}
