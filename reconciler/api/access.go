package api

import "github.com/swarmgit/swarmgit/specs"

// viewing are the procedures that a viewer may call: they look, and plan. Git is none
// of them, nor are logs: both may hold secrets in the clear, which the rest shows
// as keyed hashes. What is neither here nor in socketOnly is for admins.
var viewing = map[string]bool{
	string(GetStatus): true, string(InspectCluster): true, string(ListNodes): true, string(InspectNode): true, string(WatchDrain): true,
	string(ListServices): true, string(InspectService): true, string(ListTasks): true,
	string(ListStacks): true, string(ListRevisions): true, string(Wait): true,
	string(Plan): true, string(ListReviews): true, string(GetReview): true,
	string(ListFiles): true, string(ListSources): true, string(InspectTask): true, string(FindOrigin): true,
	string(ListRegistries): true,
	string(WatchRollout):   true, string(ListEvents): true,
}

// allows reports whether a role may ask for the path. A path that is written in
// another way is for admins.
func allows(role specs.AccessRole, path string) bool {
	return role == specs.Admin || role == specs.Viewer && (viewing[path] || path == MetricsPath)
}
