package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// healthyStatus is the cluster of the mock-up in a good hour.
func healthyStatus() api.StatusReply {
	return api.StatusReply{
		Cluster: "prod", Nodes: api.NodeCounts{Ready: 5, Total: 5}, Managers: api.ManagerCounts{Total: 3, Reachable: 3, CanLose: 1}, Leader: "n1",
		Revision: &api.Revision{Current: true, Revision: specs.Revision{
			Source: "main", Commit: "7bd31c2" + strings.Repeat("0", 33), Subject: "web: 1.4.0, five replicas",
			Progress: specs.RevisionProgress{State: specs.RevisionHealthy, Since: noon.Add(-2 * hour)},
		}},
		Stacks: []api.StackCount{
			{Name: "shop", Running: 16, Wanted: 16}, {Name: "edge", Running: 7, Wanted: 7}, {Name: "base", Running: 24, Wanted: 24},
		},
		Timestamp: noon,
	}
}

func trouble(task string, minutes int) api.TaskTrouble {
	return api.TaskTrouble{
		Stack: "edge", Task: task, State: specs.StatePending, Since: noon.Add(-time.Duration(minutes) * time.Minute),
		Reason: "no suitable node (host port 443 is taken on n3)",
	}
}

func TestStatusScreen(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*api.StatusReply)
		want   string
	}{
		{"healthy", func(*api.StatusReply) {}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"degraded by a task that fits nowhere", func(s *api.StatusReply) {
			s.Degraded, s.Stacks[1].Running, s.Nodes.Ready = true, 6, 4
			s.Troubles = []api.TaskTrouble{trouble("edge_proxy.3", 4)}
		}, `
prod: 4 of 5 nodes ready, 3 managers (can lose 1), leader n1
! edge_proxy.3 pending for 4 minutes: no suitable node (host port 443 is taken
  on n3)
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours, degraded
  shop  16/16 tasks    edge  6/7 tasks    base  24/24 tasks
`},
		{"many troubles", func(s *api.StatusReply) {
			s.Stacks, s.Degraded = nil, true
			for i := range 12 {
				s.Troubles = append(s.Troubles, trouble(fmt.Sprintf("edge_proxy.%d", i+1), 60-i))
			}
			for i := range s.Troubles {
				s.Troubles[i].Reason = "no suitable node"
			}
			s.Troubles[1].Others, s.Troubles[11].Others = 1, 7
			s.Troubles[1].Node, s.Troubles[2].Node = "n2", "n3"
		}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
! edge_proxy.1 pending for about an hour: no suitable node
! edge_proxy.2 on n2 and 1 other pending for 59 minutes: no suitable node
! edge_proxy.3 on n3 pending for 58 minutes: no suitable node
! edge_proxy.4 pending for 57 minutes: no suitable node
! edge_proxy.5 pending for 56 minutes: no suitable node
! edge_proxy.6 pending for 55 minutes: no suitable node
! edge_proxy.7 pending for 54 minutes: no suitable node
! edge_proxy.8 pending for 53 minutes: no suitable node
! edge_proxy.9 pending for 52 minutes: no suitable node
! edge_proxy.10 pending for 51 minutes: no suitable node
! and 9 more: swarmgit service ps edge_proxy
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours, degraded
`},
		{"a full disk and nobody leads", func(s *api.StatusReply) {
			s.Disk, s.Leader, s.Managers = "60M of the disk are free", "", api.ManagerCounts{Total: 1, Reachable: 1}
			s.Nodes = api.NodeCounts{Ready: 0, Total: 1}
		}, `
! no leader: 1 of 1 manager reachable; what runs goes on, nothing can be changed
prod: 1 node, how they are is not known without a leader
! writes are refused: 60M of the disk are free
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"managers are lost, and nobody leads", func(s *api.StatusReply) {
			s.Leader, s.Nodes = "", api.NodeCounts{Total: 5}
			s.Managers = api.ManagerCounts{Total: 3, Reachable: 1, Unreachable: []string{"n2", "n3"}}
			s.WayBack = api.WayBack
		}, `
! no leader: 1 of 3 managers reachable; what runs goes on, nothing can be
  changed
  if a majority of the managers is lost for ever: see "swarmgit daemon
  force-new-cluster --help"
prod: 5 nodes, how they are is not known without a leader
! 2 managers cannot be reached: n2, n3
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"nobody leads, and this one was started since", func(s *api.StatusReply) {
			*s = api.StatusReply{Managers: api.ManagerCounts{Total: 3, Reachable: 1, Unreachable: []string{"an ID", "another"}}, Unread: "no manager leads, and this one was started since: it knows again what the cluster holds once one leads: start the daemons of the others: 10.0.0.2:2377, 10.0.0.3:2377"}
		}, `
! no leader: 1 of 3 managers reachable; what runs goes on, nothing can be
  changed
! no manager leads, and this one was started since: it knows again what the
  cluster holds once one leads: start the daemons of the others: 10.0.0.2:2377,
  10.0.0.3:2377
`},
		{"a manager and many nodes are lost", func(s *api.StatusReply) {
			s.Nodes = api.NodeCounts{Ready: 5, Total: 12, Down: []string{"n2", "n6", "n7", "n8", "n9", "w1", "w2"}}
			s.Managers = api.ManagerCounts{Total: 3, Reachable: 2, Unreachable: []string{"n2"}}
			s.Held = "7 of 12 nodes went down at once: their tasks are replaced in 41 seconds if they stay away"
			s.Rotation = "rotating the root certificate: 5 of 12 nodes renewed; waiting for n2 (down) and others"
		}, `
prod: 5 of 12 nodes ready, 3 managers (can lose 0 more), leader n1
! 1 manager cannot be reached: n2
! 7 of 12 nodes went down at once: their tasks are replaced in 41 seconds if
  they stay away
! 7 nodes down: n2, n6, n7, n8, n9 and 2 more
! rotating the root certificate: 5 of 12 nodes renewed; waiting for n2 (down)
  and others
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"nodes rest, and certificates are not renewed", func(s *api.StatusReply) {
			s.Nodes.Drained, s.Nodes.Paused = []string{"n1", "n2", "n3"}, []string{"w1"}
			s.Nodes.Expiring = []api.NodeExpiry{
				{Node: "w7", Until: noon.Add(-hour)}, {Node: "w2", Until: noon}, {Node: "n3", Until: noon.Add(50 * hour)}, {Node: "n1", Until: noon.Add(99 * hour)},
			}
		}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
! 2 certificates have run out: w7, w2: let the node back in by swarmgit node
  readmit NODE
! 2 certificates were not renewed and run out: n3 in 2 days, n1 in 4 days: the
  log of the daemon there says why
  drained: n1, n2, n3; paused: w1
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"one certificate each", func(s *api.StatusReply) {
			s.Nodes.Paused = []string{"w1"}
			s.Nodes.Expiring = []api.NodeExpiry{{Node: "w7", Until: noon.Add(-hour)}, {Node: "n3", Until: noon.Add(50 * hour)}}
		}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
! 1 certificate has run out: w7: let the node back in by swarmgit node readmit
  NODE
! 1 certificate was not renewed and runs out: n3 in 2 days: the log of the
  daemon there says why
  paused: w1
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"four managers", func(s *api.StatusReply) {
			s.Managers = api.ManagerCounts{Total: 4, Reachable: 4, CanLose: 1, Advice: "4 managers, can lose 1; 3 would do as well"}
		}, `
prod: 5 nodes ready, 4 managers (can lose 1), leader n1
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
4 managers, can lose 1; 3 would do as well
`},
		{"paused", func(s *api.StatusReply) {
			s.Revision.Progress = specs.RevisionProgress{
				State: specs.RevisionPaused, Since: noon.Add(-30 * time.Second), Reason: "shop_web: 2 of 5 tasks failed",
			}
		}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
main: 7bd31c2 "web: 1.4.0, five replicas", paused since 30 seconds
  shop_web: 2 of 5 tasks failed
  shop  16/16 tasks    edge  7/7 tasks    base  24/24 tasks
`},
		{"sources that were changed", func(s *api.StatusReply) {
			edge, infra := *s.Revision, *s.Revision
			edge.Source, infra.Source = "edge", "infra"
			s.Sources = []api.Source{
				{Name: "edge", Revision: &edge, Changed: true},
				{Name: "infra", Revision: &infra, Changed: true, Seen: api.SourceSeen{
					Error: "it has no branch stable", Failures: 2, Since: noon.Add(-3 * time.Minute), Next: noon.Add(time.Minute),
				}},
				{Name: "lab", Seen: api.SourceSeen{Error: "it answers with status 503", Failures: 1, Since: noon.Add(-time.Minute), Next: noon.Add(time.Minute)}},
			}
			s.Stacks = nil
		}, `
prod: 5 nodes ready, 3 managers (can lose 1), leader n1
! source edge: nothing was taken since it was changed: it was not looked at yet
! source infra: nothing was taken since it was changed: it has no branch stable
  (for 3 minutes, next try in about a minute)
! source lab: it answers with status 503 (for about a minute, next try in about
  a minute)
main: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
edge: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
infra: 7bd31c2 "web: 1.4.0, five replicas", healthy since 2 hours
lab: nothing of it was taken yet
`},
		{"nothing pushed", func(s *api.StatusReply) {
			*s = api.StatusReply{Cluster: "swarmgit", Nodes: api.NodeCounts{Ready: 1, Total: 1}, Managers: api.ManagerCounts{Total: 1, Reachable: 1}, Leader: "n1"}
		}, `
swarmgit: 1 node ready, 1 manager (can lose 0), leader n1
nothing was pushed yet: see "swarmgit git-url"
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := healthyStatus()
			c.change(&s)
			var b strings.Builder
			printStatus(&b, s)
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStackLinesStayWithin80Columns(t *testing.T) {
	var stacks []api.StackCount
	for i := range 30 {
		stacks = append(stacks, api.StackCount{Name: strings.Repeat("s", i+1), Running: i * i, Wanted: i * i})
	}
	shown := 0
	for line := range strings.Lines(stackLines(stacks)) {
		line = strings.TrimSuffix(line, "\n")
		shown += strings.Count(line, "tasks")
		if len(line) > 80 || !strings.HasPrefix(line, "  s") {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
	if shown != len(stacks) {
		t.Errorf("%d of %d stacks are shown", shown, len(stacks))
	}
}

func TestRevisionsScreen(t *testing.T) {
	revision := func(commit, author, subject string, state specs.RevisionState, age time.Duration, changed ...string) api.Revision {
		return api.Revision{Revision: specs.Revision{
			Commit: commit + strings.Repeat("0", 33), Author: author, Subject: subject, Created: noon.Add(-age),
			Stacks: 3, Changed: changed, Progress: specs.RevisionProgress{State: state},
		}}
	}
	var b strings.Builder
	printRevisions(&b, []api.Revision{
		revision("7bd31c2", "ana@example", "web: 1.4.0, five replicas", specs.RevisionHealthy, 2*hour, "shop"),
		revision("5a0e117", "ben@example", "web: 1.4.0-rc1", specs.RevisionRolledBack, 3*hour, "shop"),
		revision("3e99d01", "ana@example", "typo", specs.RevisionRefused, 3*hour),
	}, noon)
	want := `REVISION   STATE         STACKS   BY            AGE       MESSAGE
7bd31c2    healthy       1 of 3   ana@example   2 hours   web: 1.4.0, five replicas
5a0e117    rolled-back   1 of 3   ben@example   3 hours   web: 1.4.0-rc1
3e99d01    refused       -        ana@example   3 hours   typo
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
