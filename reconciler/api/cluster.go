package api

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// InspectCluster shows the cluster as a whole, and nothing of it that is secret.
const InspectCluster = wire.Unary[Empty, InspectClusterReply]("/swarmgit.api/InspectCluster")

// InspectClusterReply is what the cluster is.
type InspectClusterReply struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Created time.Time   `json:"created"`
	Version uint64      `json:"version"` // of its settings
	Format  int         `json:"format"`  // of what the managers write: the newest that all of them read
	Spec    ClusterSpec `json:"spec"`
	CA      *ClusterCA  `json:"ca,omitempty"` // none in a cluster without certificates
}

// ClusterSpec are the settings that apply, whether somebody chose them or nobody.
type ClusterSpec struct {
	Branch          string         `json:"branch"`           // of the cluster's own remote, that is followed
	Path            string         `json:"path,omitempty"`   // the folder in it that holds the stacks; empty is the root
	History         int            `json:"history"`          // ended tasks kept per slot; negative keeps all
	HeartbeatPeriod specs.Duration `json:"heartbeat_period"` // of nodes
	OrphanAfter     specs.Duration `json:"orphan_after"`     // how long a node may be down before its tasks are given up
	PackLimit       specs.Bytes    `json:"pack_limit"`       // the largest push
	CertExpiry      specs.Duration `json:"cert_expiry"`      // lifetime of the certificates of nodes that are issued from now on
}

// ClusterCA is whom the nodes trust.
type ClusterCA struct {
	Root       RootCertificate  `json:"root"`
	RotatingTo *RootCertificate `json:"rotating_to,omitempty"` // while a rotation is under way
}

// RootCertificate is that of a certificate authority.
type RootCertificate struct {
	Digest   specs.Hash `json:"digest"` // SHA-256, which join tokens hold in another form
	Subject  string     `json:"subject"`
	NotAfter time.Time  `json:"not_after"`
	External []string   `json:"external,omitempty"` // hosts of the servers that sign for it; without any, the managers do
}

func (s *Server) inspectCluster(context.Context, Empty) (InspectClusterReply, error) {
	snap := s.Cluster.Snapshot()
	cluster, authority := snap.Cluster(), snap.Authority()
	source, _ := snap.Source(specs.MainSource)
	reply := InspectClusterReply{
		ID: cluster.ID, Name: cluster.Name, Created: cluster.Created, Version: cluster.Version, Format: s.Cluster.Format(),
		Spec: ClusterSpec{
			Branch: source.Branch, Path: source.Path,
			History:         specs.DefaultHistory,
			HeartbeatPeriod: specs.Duration(cluster.Spec.Heartbeat()),
			OrphanAfter:     cmp.Or(cluster.Spec.OrphanAfter, specs.Duration(specs.DefaultOrphanAfter)),
			PackLimit:       cmp.Or(cluster.Spec.PackLimit, specs.DefaultPackLimit),
			CertExpiry:      specs.Duration(authority.Lifetime()),
		},
	}
	if kept := cluster.Spec.History; kept != nil {
		reply.Spec.History = *kept
	}
	if authority.Root.Cert != "" {
		reply.CA = &ClusterCA{Root: rootView(authority.Root, authority.External)}
	}
	if to := authority.Rotation; to != nil {
		root := rootView(to.To, to.External)
		reply.CA.RotatingTo = &root
	}
	return reply, nil
}

// rootView leaves the keys out, and what else may stand in the addresses of servers.
func rootView(root specs.RootCA, external []string) RootCertificate {
	digest := root.Digest()
	view := RootCertificate{Digest: specs.Hash(hex.EncodeToString(digest[:]))}
	if block, _ := pem.Decode([]byte(root.Cert)); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil { // the authority has read it before
			view.Subject, view.NotAfter = cert.Subject.String(), cert.NotAfter
		}
	}
	for _, server := range external {
		if u, err := url.Parse(server); err == nil { // likewise
			view.External = append(view.External, u.Host)
		}
	}
	return view
}
