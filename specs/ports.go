package specs

import "strconv"

// HostPort is a port of its node that a task has for itself (ports, mode: host).
type HostPort struct {
	Published uint16 `json:"published"`
	Target    uint16 `json:"target"`   // in the task
	Protocol  string `json:"protocol"` // tcp, udp or sctp
}

// String is the port of the node, "80/tcp".
func (p HostPort) String() string { return strconv.Itoa(int(p.Published)) + "/" + p.Protocol }
