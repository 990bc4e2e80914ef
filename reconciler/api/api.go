// Package api is the control API: what the command line and any other tool can
// ask of a manager, and who may ask it.
//
// It answers reads from the store's newest snapshot and hands the rest to what
// it was given: plans, waiting and credentials to the manager ([Cluster]), logs
// to the log streams ([Logs]), images to the node's executor ([Images]). Of the
// store it writes what is wanted of nodes, and secrets and configs that stacks
// call external; workloads are written by Git alone.
//
// # Who asks
//
// A request comes over the daemon's own socket, whose file mode is the
// permission, or over HTTP, where [Guard] demands a token whose role the route
// allows, a known Host and no foreign Origin. What mints tokens and the procedures
// of the certificate authority, which let machines in, answer over the socket only.
//
// # Who answers
//
// The leader answers. A manager that does not lead passes a request on to it,
// Git too ([Forward]), over the port of nodes, where [Forwarded] takes it: the
// first manager has asked for the token, and the leader trusts managers. While
// nobody leads, each manager answers what only looks from its own copy and
// refuses the rest in words. A worker names the managers ([Elsewhere]).
//
// # Nodes
//
// An operator changes what is wanted of a node: availability, labels, role. A
// role is a wish that the managers fulfil later, so it is refused here, with the
// arithmetic, when the managers that are left could not agree any more.
package api

import (
	"context"
	"net/http"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Cluster is the manager as the API needs it.
type Cluster interface {
	// Ready returns once this manager has read its data, or says why that
	// takes long. Nothing else is asked before.
	Ready(ctx context.Context) error
	// Snapshot is the newest state.
	Snapshot() store.Snapshot
	// Leader is the ID of the node that leads, "" while nobody does.
	Leader() string
	// Leaderless is how long nobody has been known to lead, 0 while somebody is.
	Leaderless() time.Duration
	// Format is the newest form of what managers write that all of them read.
	Format() int
	// Heard reports whether the leader has a session with the node, or had one
	// in this term; until then nobody knows how the node is.
	Heard(nodeID string) bool
	// DiskTrouble says why nothing can be written, "" when it can.
	DiskTrouble() string
	// Plan says what applying the request's tree or commit would do.
	Plan(ctx context.Context, req PlanRequest) (planner.Plan, error)
	// Wait tells the progress of a revision until it has ended.
	Wait(ctx context.Context, rev string, line func(string) error) (specs.Revision, error)
	// GitURL is the address of the cluster's remote and a short-lived token.
	GitURL(ctx context.Context) (GitURLReply, error)
}

// Nodes is what the manager knows of the cluster's nodes, and does to them.
type Nodes interface {
	// Managers are the IDs of all managers that vote, and whether each is
	// reached: by the leader, or while nobody leads by this manager.
	Managers() map[string]bool
	// Held says why the tasks of lost nodes are not replaced yet, "" when they are.
	Held() string
	// Rotation says which nodes a rotation of the root certificate waits for until
	// somebody does something, "" when it waits for none.
	Rotation() string
	// Trouble is what the operator should know of a node, as the leader hears it
	// from there or finds.
	Trouble(nodeID string) wire.Trouble
	// Watch is the newest state, and a channel that closes once there is a newer.
	Watch() (store.Snapshot, <-chan struct{})
	// Propose writes one transaction. Its error wraps store.ErrConflict when the
	// cluster changed first, and is of a kind of wire's when nobody leads or the
	// outcome is not known.
	Propose(ctx context.Context, tx specs.Transaction) error
	// Forget removes the node, as it was at its SpecVersion, and has its
	// certificate refused from then on. Its errors are those of Propose.
	Forget(ctx context.Context, node specs.Node) error
}

// LogSource reads the logs of tasks, wherever they run.
type LogSource interface {
	// Logs sends the logs of the tasks that pick finds; when following, also of
	// those that it finds later.
	Logs(ctx context.Context, pick func(store.Snapshot) []specs.Task, req LogsRequest, send func(LogsReply) error) error
}

// Keys are what the manager does with the cluster's keys.
type Keys interface {
	// Payload is the stored form of a secret's or a config's content.
	Payload(kind specs.FileKind, content []byte) specs.Payload
	// Seal encrypts what the cluster keeps and never shows.
	Seal(content []byte) []byte
	// AgeRecipient is whom to encrypt for, so that the cluster can read it.
	AgeRecipient(ctx context.Context) (string, error)
}

// Server answers the control API.
type Server struct {
	Cluster  Cluster
	Nodes    Nodes
	Logs     LogSource
	Commands Commands
	Sources  Sources
	Restarts Restarts
	Events   Events
	Images   Images // nil when the node's executor has none
	Keys     Keys

	Workloads Workloads

	Registries Registries
	// Needed are the images that this node must keep, as the managers say.
	Needed func(context.Context) ([]string, error)

	Authority Authority
	Self      string // the ID of the node that answers
	Version   string
	Now       func() time.Time
}

// Register serves all that may be asked. What only the owner of a daemon may ask
// is for its own socket: over HTTP, [Guard] refuses it.
func (s *Server) Register(mux *http.ServeMux) {
	GetStatus.Serve(mux, s.status)
	ListNodes.Serve(mux, ready(s, s.listNodes))
	InspectNode.Serve(mux, ready(s, s.inspectNode))
	UpdateNode.Serve(mux, ready(s, s.updateNode))
	RemoveNode.Serve(mux, ready(s, s.removeNode))
	WatchDrain.Serve(mux, s.watchDrain)
	ListServices.Serve(mux, ready(s, s.listServices))
	InspectService.Serve(mux, ready(s, s.inspectService))
	ListTasks.Serve(mux, ready(s, s.listTasks))
	RestartService.Serve(mux, ready(s, s.restartService))
	WatchRollout.Serve(mux, s.watchRollout)
	ListEvents.Serve(mux, s.listEvents)
	ListStacks.Serve(mux, ready(s, s.listStacks))
	ListRevisions.Serve(mux, ready(s, s.listRevisions))
	ListFiles.Serve(mux, ready(s, s.listFiles))
	InspectFile.Serve(mux, ready(s, s.inspectFile))
	CreateFile.Serve(mux, ready(s, s.createFile))
	RemoveFile.Serve(mux, ready(s, s.removeFile))
	GetAgeKey.Serve(mux, ready(s, s.getAgeKey))
	FindOrigin.Serve(mux, ready(s, s.findOrigin))
	Plan.Serve(mux, ready(s, s.plan))
	ListReviews.Serve(mux, ready(s, s.listReviews))
	GetReview.Serve(mux, ready(s, s.getReview))
	Wait.Serve(mux, s.wait)
	Logs.Serve(mux, s.logs)
	Exec.Serve(mux, s.exec)
	InspectTask.Serve(mux, ready(s, s.inspectTask))
	s.RegisterOwn(mux)
	GitURL.Serve(mux, ready(s, func(ctx context.Context, _ Empty) (GitURLReply, error) { return s.Cluster.GitURL(ctx) }))
	CreateToken.Serve(mux, ready(s, s.createToken))
	ListTokens.Serve(mux, ready(s, s.listTokens))
	RemoveToken.Serve(mux, ready(s, s.removeToken))
	GetJoinToken.Serve(mux, ready(s, s.getJoinToken))
	ReadmitNode.Serve(mux, ready(s, s.readmitNode))
	RotateCA.Serve(mux, ready(s, s.rotateCA))
	WatchCA.Serve(mux, s.watchCA)
	InspectCluster.Serve(mux, ready(s, s.inspectCluster))
	UpdateCluster.Serve(mux, ready(s, s.updateCluster))
	s.registerSources(mux)
	LoginRegistry.Serve(mux, ready(s, s.loginRegistry))
	ListRegistries.Serve(mux, ready(s, s.listRegistries))
	LogoutRegistry.Serve(mux, ready(s, s.logoutRegistry))
}

// ready answers once the manager can: before, its store holds the past.
func ready[Req, Res any](s *Server, answer func(context.Context, Req) (Res, error)) func(context.Context, Req) (Res, error) {
	return func(ctx context.Context, req Req) (Res, error) {
		if err := s.Cluster.Ready(ctx); err != nil {
			var none Res
			return none, err
		}
		return answer(ctx, req)
	}
}

func (s *Server) plan(ctx context.Context, req PlanRequest) (PlanReply, error) {
	plan, err := s.Cluster.Plan(ctx, req)
	return PlanReply{Plan: plan}, err
}

func (s *Server) wait(ctx context.Context, req WaitRequest, send func(WaitReply) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	rev, err := s.Cluster.Wait(ctx, req.Rev, func(line string) error { return send(WaitReply{Line: line}) })
	if err != nil {
		return err
	}
	return send(WaitReply{Revision: &Revision{Revision: rev}})
}
