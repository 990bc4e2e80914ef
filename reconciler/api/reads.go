package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// status says how the managers are even where one of several cannot say more.
func (s *Server) status(ctx context.Context, _ Empty) (StatusReply, error) {
	unread := s.Cluster.Ready(ctx)
	snap := s.Cluster.Snapshot()
	switch managers := s.managerCounts(snap); {
	case unread != nil && managers.Total < 2:
		return StatusReply{}, unread
	case unread != nil:
		return StatusReply{Version: s.Version, Timestamp: s.Now(), Managers: managers, Unread: unread.Error()}, nil
	}
	reply := StatusReply{
		Cluster: snap.Cluster().Name, Version: s.Version, Timestamp: s.Now(),
		Nodes: s.nodeCounts(snap), Managers: s.managerCounts(snap),
		Stacks: stackCounts(snap), Troubles: troubles(snap), Disk: s.diskTrouble(snap), Held: s.Nodes.Held(), Rotation: s.Nodes.Rotation(),
	}
	if leader := s.Cluster.Leader(); leader != "" {
		node, known := snap.Node(leader)
		if !known {
			node.ID = leader
		}
		reply.Leader = node.Name()
	}
	if s.Cluster.Leaderless() >= LongLeaderless {
		reply.WayBack = WayBack
	}
	if rev, ok := currentRevision(snap, specs.MainSource); ok {
		reply.Revision = &rev
		reply.Degraded = degraded(snap, rev)
	}
	reply.Sources = s.sourceViews(snap)
	return reply, nil
}

// diskTrouble is why this manager writes nothing, and which one it is.
func (s *Server) diskTrouble(snap store.Snapshot) string {
	trouble := s.Cluster.DiskTrouble()
	if node, known := snap.Node(s.Self); known && trouble != "" {
		return node.Name() + ": " + trouble
	}
	return trouble
}

// degraded reports that the revision was healthy and a stack of its source runs
// less than it should.
func degraded(snap store.Snapshot, rev Revision) bool {
	if rev.Progress.State != specs.RevisionHealthy {
		return false
	}
	for stack := range snap.Stacks() {
		if c := stackCount(snap, stack.Name); stack.Source == rev.Source && c.Running < c.Wanted {
			return true
		}
	}
	return false
}

// currentRevision is the revision of the commit that the cluster is at of a source.
func currentRevision(snap store.Snapshot, source string) (Revision, bool) {
	var current Revision
	found := false
	for rev := range snap.Revisions() {
		if rev.Source == source && isCurrent(snap, rev) {
			current, found = Revision{Revision: rev, Current: true}, true
		}
	}
	return current, found
}

func isCurrent(snap store.Snapshot, rev specs.Revision) bool {
	source, ok := snap.Source(rev.Source)
	if !ok || rev.Progress.State == specs.RevisionRefused || rev.Progress.State == specs.RevisionAwaiting {
		return false
	}
	ref, ok := snap.Ref(source.Ref())
	return ok && ref.Applied() == rev.Commit
}

func (s *Server) listNodes(ctx context.Context, _ Empty) (ListNodesReply, error) {
	snap := s.Cluster.Snapshot()
	reply := ListNodesReply{Nodes: []Node{}}
	for node := range snap.Nodes() {
		reply.Nodes = append(reply.Nodes, s.nodeView(ctx, snap, node))
	}
	slices.SortFunc(reply.Nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Seen.Description.Hostname, b.Seen.Description.Hostname), cmp.Compare(a.ID, b.ID))
	})
	return reply, nil
}

func (s *Server) inspectNode(ctx context.Context, req ByName) (Node, error) {
	snap := s.Cluster.Snapshot()
	node, err := findNode(snap, req.Name, s.self(ctx))
	if err != nil {
		return Node{}, err
	}
	return s.nodeView(ctx, snap, node), nil
}

func (s *Server) listServices(_ context.Context, req ListServicesRequest) (ListServicesReply, error) {
	snap := s.Cluster.Snapshot()
	if err := stackExists(snap, req.Stack); err != nil {
		return ListServicesReply{}, err
	}
	reply := ListServicesReply{Services: []Service{}}
	for svc := range snap.Services() {
		if req.Stack == "" || svc.Spec.Stack == req.Stack {
			reply.Services = append(reply.Services, serviceView(snap, svc))
		}
	}
	slices.SortFunc(reply.Services, func(a, b Service) int { return cmp.Compare(a.Spec.Name, b.Spec.Name) })
	return reply, nil
}

// stackExists is nil for no name at all.
func stackExists(snap store.Snapshot, name string) error {
	if name == "" {
		return nil
	}
	if _, ok := snap.Stack(name); ok {
		return nil
	}
	for range snap.ServicesOf(name) {
		return nil // removed, and its last tasks are still stopping
	}
	var known []string
	for stack := range snap.Stacks() {
		known = append(known, stack.Name)
	}
	return noSuch("stack", name, known, "swarmgit stack ls")
}

func (s *Server) inspectService(_ context.Context, req ByName) (Service, error) {
	snap := s.Cluster.Snapshot()
	svc, err := findService(snap, req.Name)
	if err != nil {
		return Service{}, err
	}
	return serviceView(snap, svc), nil
}

func (s *Server) listTasks(ctx context.Context, req ListTasksRequest) (ListTasksReply, error) {
	snap := s.Cluster.Snapshot()
	service := ""
	if req.Service != "" {
		svc, err := findService(snap, req.Service)
		if err != nil {
			return ListTasksReply{}, err
		}
		service = svc.ID
	}
	var nodes []string
	for _, name := range req.Nodes {
		node, err := findNode(snap, name, s.self(ctx))
		if err != nil {
			return ListTasksReply{}, err
		}
		nodes = append(nodes, node.ID)
	}
	if err := stackExists(snap, req.Stack); err != nil {
		return ListTasksReply{}, err
	}
	reply := ListTasksReply{Tasks: []Task{}}
	for task := range snap.Tasks() {
		svc, _ := snap.Service(task.ServiceID)
		if (service == "" || task.ServiceID == service) && (len(nodes) == 0 || slices.Contains(nodes, task.Node())) &&
			(req.Stack == "" || svc.Spec.Stack == req.Stack) {
			reply.Tasks = append(reply.Tasks, taskView(snap, task))
		}
	}
	slices.SortFunc(reply.Tasks, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.ServiceName, b.ServiceName), a.SlotID().Compare(b.SlotID()),
			b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return reply, nil
}

func (s *Server) listStacks(_ context.Context, _ Empty) (ListStacksReply, error) {
	snap := s.Cluster.Snapshot()
	reply := ListStacksReply{Stacks: []Stack{}}
	for stack := range snap.Stacks() {
		reply.Stacks = append(reply.Stacks, Stack{StackRow: stack, Count: stackCount(snap, stack.Name)})
	}
	return reply, nil
}

func (s *Server) listRevisions(_ context.Context, req ListRevisionsRequest) (ListRevisionsReply, error) {
	snap := s.Cluster.Snapshot()
	reply := ListRevisionsReply{Revisions: []Revision{}}
	for rev := range snap.Revisions() {
		reply.Revisions = append(reply.Revisions, Revision{Revision: rev, Current: isCurrent(snap, rev)})
	}
	slices.Reverse(reply.Revisions)
	if req.Limit > 0 && len(reply.Revisions) > req.Limit {
		reply.Revisions = reply.Revisions[:req.Limit]
	}
	return reply, nil
}

// logs reads the tasks that a service has, or the one task that is named.
func (s *Server) logs(ctx context.Context, req LogsRequest, send func(LogsReply) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	pick, err := pickTasks(s.Cluster.Snapshot(), req.Service)
	if err != nil {
		return err
	}
	return s.Logs.Logs(ctx, pick, req, send)
}

// pickTasks finds the tasks of a service, or those of the name or ID of a task.
func pickTasks(snap store.Snapshot, name string) (func(store.Snapshot) []specs.Task, error) {
	svc, err := findService(snap, name)
	if err == nil {
		return func(snap store.Snapshot) []specs.Task { return slices.Collect(snap.TasksOf(svc.ID)) }, nil
	}
	task, taskErr := find("task", name, snap.Tasks(), taskNames)
	name = strings.Replace(name, "/", "_", 1)
	pick := func(snap store.Snapshot) []specs.Task {
		var tasks []specs.Task
		for t := range snap.Tasks() {
			if taskErr == nil && t.ID == task.ID || taskErr != nil && t.Name() == name {
				tasks = append(tasks, t)
			}
		}
		return tasks
	}
	if len(pick(snap)) == 0 {
		var known []string
		for svc := range snap.Services() {
			known = append(known, svc.Spec.Name)
		}
		return nil, noSuch("service or task", name, known, "swarmgit service ls, swarmgit service ps SERVICE")
	}
	return pick, nil
}
