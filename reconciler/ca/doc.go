// Package ca is the cluster's certificate authority: it lets machines in by a
// token, gives every node its certificate and renews it, and leads the cluster
// from one root certificate to another.
//
// It is for the leader, since who joins and which tokens are used up is written
// through Raft; a manager that does not lead answers with the leader's address.
// It refuses wrong tokens, nodes that were removed, roots that would not do, and
// certificates of an external authority that are not what was asked for. It does
// not decide a node's role: the node's row does, except that who votes stays a
// manager until the others can do without that, and the request has no say.
//
// # Flows
//
//	join:     token's secret -> role; node's ID = hash of its key -> Node row -> certificate
//	renew:    the caller's own certificate -> Node row -> certificate with the row's role
//	readmit:  node's ID + secret of its readmission, good once -> certificate
//	remove:   Removal, in the transaction that forgets the row -> Refuse on every
//	          manager, until the last certificate of the node has run out
//
// An answer may be lost on its way. So the same key is always the same node: who
// asks again gets the same identity, and a request that somebody else replays is
// a certificate for a key that he does not have.
//
// # Rotation
//
// A rotation is in the authority's row alone, so that any leader carries it on;
// next says what comes next, from the row, the nodes' rows and the time.
//
//	            certificates are signed by      nodes that renewed trust
//	before      old                             old
//	rotating    new, shown with "between"       old and new
//	after       new                             new
//
// "Between" is the new root's name and key in a certificate that the old root
// has signed: whoever trusts the old root only believes the new certificates,
// and who has renewed believes the old ones too. When the certificate of every
// node, down or not, is signed by what is between, everybody trusts the new
// root: it becomes the root, the tokens change, and all renew once more, which
// makes them forget the old one. A node that never comes back holds this up
// until it is removed; Progress names it.
//
// What a certificate was signed with, the root or what is between, is named by
// its digest: specs.Authority.Issuer is what it is to be for all nodes, and
// specs.NodeCertificate.Issuer what it is for one. That they differ is all there
// is to know for who is to renew: it holds while rotating, after it, after an
// abort, and when a second rotation replaces the first. A cross-signed
// certificate is never signed twice the same, so two rotations to one root do not
// mix.
//
// Nodes are told in groups, by their rank among all nodes and the time since the
// issuer changed, which needs no memory of who was told. A term tells each node
// once; what is told to a node that is not connected waits in the dispatcher.
//
// # External authority
//
// With URLs in the row the CFSSL server there has the root's key, and decides how
// long certificates are good. It is asked over HTTPS with this manager's own
// certificate. From it to another root there is no way without its key: somebody
// must sign what is between.
//
// # State and locks
//
// Beside the store there is whether this manager leads, whom this term has told,
// which is Run's own, and how many tokens were refused, under its mutex.
package ca
