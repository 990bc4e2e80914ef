package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// FindOrigin tells where the files of the cluster's commit say something.
const FindOrigin = wire.Unary[FindOriginRequest, Origin]("/swarmgit.api/FindOrigin")

// Workloads is what Git asks the cluster to run, as the manager knows it.
type Workloads interface {
	// Wanted are the stacks of the commit that the cluster is at of a source. It
	// may read the whole commit.
	Wanted(ctx context.Context, snap store.Snapshot, source specs.Source) ([]specs.Stack, error)
}

// FindOriginRequest names a service, or a stack; one of them is set.
type FindOriginRequest struct {
	Service string `json:"service,omitempty"`
	Stack   string `json:"stack,omitempty"`
	Field   string `json:"field,omitempty"` // of the service: "deploy.replicas"; empty is all of it
}

// Origin is a place in a stack file, and what it says.
type Origin struct {
	specs.Position
	Name       string `json:"name"`                 // shop_web, or of the stack
	Repository string `json:"repository,omitempty"` // elsewhere; empty is the cluster's own
	Value      string `json:"value,omitempty"`      // of the field, if it is one of a few that people change by hand
	Written    bool   `json:"written"`              // false: the file does not say the field yet, and the place is what it belongs to
}

func (s *Server) findOrigin(ctx context.Context, req FindOriginRequest) (Origin, error) {
	snap := s.Cluster.Snapshot()
	name, stackName, path := req.Stack, req.Stack, ""
	var svc specs.Service
	if req.Service != "" {
		var err error
		if svc, err = findService(snap, req.Service); err != nil {
			return Origin{}, err
		}
		name, stackName, path = svc.Spec.Name, svc.Spec.Stack, "services."+svc.Spec.ShortName()
	} else if err := stackExists(snap, req.Stack); err != nil {
		return Origin{}, err
	}
	if req.Field != "" {
		path += "." + req.Field
	}
	row, exists := snap.Stack(stackName)
	if !exists {
		return Origin{}, wire.Errorf(wire.NotFound, "%s is in no file any more: it is being removed", name)
	}
	source, followed := snap.Source(row.Source)
	if !followed {
		return Origin{}, wire.Errorf(wire.NotFound, "%s is in no file that the cluster follows: its source was removed, and it runs on until a source defines it again", name)
	}
	stacks, err := s.Workloads.Wanted(ctx, snap, source)
	if err != nil {
		return Origin{}, fmt.Errorf("read the files of the source %s: %w", source.Name, err)
	}
	at := slices.IndexFunc(stacks, func(s specs.Stack) bool { return s.Name == stackName })
	if at < 0 {
		return Origin{}, fmt.Errorf("%s is in no file of the source %s at the commit that the cluster is at", name, source.Name)
	}
	origin := originOf(stacks[at].Origins, path, name, valueOf(svc.Spec, req.Field))
	if source.Outside() {
		origin.Repository = source.URL
	}
	return origin, nil
}

// originOf finds the path; of a stack as a whole, its first file.
func originOf(origins specs.Origins, path, name, value string) Origin {
	o := Origin{Name: name}
	if _, o.Written = origins[path]; o.Written {
		o.Value = value
	}
	var found bool
	if o.Position, found = origins.Find(path); found {
		return o
	}
	for _, p := range origins {
		if o.File == "" || p.File < o.File {
			o.File = p.File
		}
	}
	return o
}

// valueOf is the field as the stack file says it.
func valueOf(spec specs.ServiceSpec, field string) string {
	switch field {
	case "image":
		return spec.Image
	case "deploy.replicas":
		return fmt.Sprint(spec.WantedReplicas())
	}
	return ""
}
