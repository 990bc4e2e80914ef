package wire

import (
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Certify gives a machine or a node its certificate.
//
// Who has no certificate brings the secret of a token: a new machine that of a
// join token, and becomes a node; a node whose certificate has run out its own
// ID and the secret of a readmission. A node that has a certificate brings
// nothing and gets a new one. Asked twice with the same key, it gives the same
// identity twice: an answer that was lost can be asked for again.
const Certify = Unary[CertifyRequest, CertifyReply]("/swarmgit.join/Certify")

// CertifyRequest asks for a certificate.
type CertifyRequest struct {
	CSR    []byte       `json:"csr"` // DER; only its key counts, the manager knows who is who
	Secret specs.Hidden `json:"secret,omitempty"`
	NodeID string       `json:"node_id,omitempty"` // of the node that is to be readmitted
	// Hostname is what a machine that joins calls itself, for people until its first
	// session says more.
	Hostname string `json:"hostname,omitempty"`
}

// CertifyReply is a certificate, or where to ask for it.
type CertifyReply struct {
	Leader string `json:"leader,omitempty"` // address of the manager to ask instead; the rest is empty

	NodeID    string     `json:"node_id,omitempty"`
	Role      specs.Role `json:"role,omitempty"`
	ClusterID string     `json:"cluster_id,omitempty"`
	Chain     [][]byte   `json:"chain,omitempty"` // DER: the certificate, then what stands between it and a root
	Roots     [][]byte   `json:"roots,omitempty"` // DER: to trust from now on, and no others
}

// Backdate is by how much certificates begin in the past, for machines whose
// clock is behind.
const Backdate = time.Hour
