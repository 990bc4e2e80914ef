package api

import (
	"context"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// The procedures of a restart: one begins it, the other looks how far it is.
const (
	RestartService = wire.Unary[RestartServiceRequest, Service]("/swarmgit.api/RestartService")
	WatchRollout   = wire.ServerStream[ByName, RolloutReply]("/swarmgit.api/WatchRollout")
)

// RestartServiceRequest has every task of a service replaced, as its update_config
// says. The reply is the service after that was decided.
type RestartServiceRequest struct {
	Name string `json:"name"`
	Pull bool   `json:"pull,omitempty"` // with what the tag of its image means now
}

// RolloutReply is one line of progress of a service's rollout, and with the last
// one how it ended.
type RolloutReply struct {
	Line    string         `json:"line,omitempty"`
	Rollout *specs.Rollout `json:"rollout,omitempty"`
}

// Restarts is what the manager does for a restart. Services go by their ID.
type Restarts interface {
	// Restart begins the rollout of a service's own spec. It is refused while the
	// service is being removed, and if pull finds nothing.
	Restart(ctx context.Context, service string, pull bool) error
	// FollowRollout tells the progress of a service's rollout until it has ended.
	FollowRollout(ctx context.Context, service string, line func(string) error) (specs.Rollout, error)
}

func (s *Server) restartService(ctx context.Context, req RestartServiceRequest) (Service, error) {
	svc, err := findService(s.Cluster.Snapshot(), req.Name)
	if err != nil {
		return Service{}, err
	}
	if err := s.Restarts.Restart(ctx, svc.ID, req.Pull); err != nil {
		return Service{}, err
	}
	return s.inspectService(ctx, ByName{Name: svc.ID})
}

func (s *Server) watchRollout(ctx context.Context, req ByName, send func(RolloutReply) error) error {
	if err := s.Cluster.Ready(ctx); err != nil {
		return err
	}
	svc, err := findService(s.Cluster.Snapshot(), req.Name)
	if err != nil {
		return err
	}
	rollout, err := s.Restarts.FollowRollout(ctx, svc.ID, func(line string) error { return send(RolloutReply{Line: line}) })
	if err != nil {
		return err
	}
	return send(RolloutReply{Rollout: &rollout})
}
