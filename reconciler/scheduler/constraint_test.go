package scheduler

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

func TestConstraintMeets(t *testing.T) {
	node := specs.Node{
		ID:   "9f3ab",
		Spec: specs.NodeSpec{Role: specs.Worker, Labels: map[string]string{"zone": "eu-b", "Disk": "ssd (fast)"}},
		Seen: specs.NodeSeen{
			Addr: "10.0.7.42",
			Description: specs.NodeDescription{
				Hostname: "Node-2", OS: "linux", Arch: "amd64",
				EngineLabels: map[string]string{"operatingsystem": "debian 12"},
			},
		},
	}
	for constraint, want := range map[string]bool{
		"node.id==9f3ab":                           true,
		"node.id == 9F3AB":                         true,
		"node.id != 9f3ab":                         false,
		"node.id == 9f3":                           false,
		"node.hostname == node-2":                  true,
		"node.hostname != node-1":                  true,
		"NODE.HOSTNAME == node-2":                  true,
		"node.role == worker":                      true,
		"node.role==manager":                       false,
		"node.role!=manager":                       true,
		"node.platform.os == linux":                true,
		"node.platform.arch == amd64":              true,
		"node.platform.arch == x86_64":             true,
		"node.platform.arch != x86_64":             false,
		"node.platform.arch == aarch64":            false,
		"node.labels.zone == eu-b":                 true,
		"node.labels.zone==EU-B":                   true,
		"node.labels.zone != eu-a":                 true,
		"node.labels.zone == eu-*":                 false,
		"node.labels.Disk == ssd (fast)":           true,
		"node.labels.disk == ssd (fast)":           false, // label names keep their case
		"node.labels.rack != r1":                   true,  // a missing label is ""
		"node.labels.rack == r1":                   false,
		"Node.Labels.zone == eu-b":                 true,
		"engine.labels.operatingsystem==debian 12": true,
		"engine.labels.storage != zfs":             true,
		"node.ip == 10.0.7.42":                     true,
		"node.ip == ::ffff:10.0.7.42":              true,
		"node.ip == 10.0.7.0/24":                   true,
		"node.ip != 10.0.7.0/24":                   false,
		"node.ip != 10.0.8.0/24":                   true,
		"node.ip == 10.0.7":                        false,
		"node.ip != 10.0.7":                        false,
		"node.flavour == big":                      false,
		"node.flavour != big":                      false,
		"node.labels. != x":                        false,
	} {
		c, err := ParseConstraint(constraint)
		if err != nil {
			t.Errorf("%s: %v", constraint, err)
			continue
		}
		if got := c.Meets(&node); got != want {
			t.Errorf("%s: got %v, want %v", constraint, got, want)
		}
	}
}
