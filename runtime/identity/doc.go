// Package identity is who this node is: its key, its certificate, and the root
// certificates that it trusts. It gets them when the machine joins, keeps them
// on disk, and renews them before they run out.
//
// # Flows
//
//	join:     key -> request + token -> a manager (-> the leader) -> set on disk
//	readmit:  the same, with the node's ID and a token made for it
//	init:     key -> request -> the authority that is being made -> set on disk
//	renew:    at a random point of 50 to 80 % of the certificate's life, or when
//	          a manager expects another one (Identity.Expect): new key -> request
//	          -> leader -> set on disk -> wire.Credentials, for connections from
//	          now on -> Renewal.Renewed, so that the session is opened anew
//
// Who joins trusts nobody but the digest in its token: wire.JoinClient checks it
// before anything is said. It asks one manager after the other, with growing
// pauses, until one answers; a refusal is final, and says what to do. A renewal
// is never given up.
//
// # On disk
//
//	pending-key.pem       that a certificate is asked for
//	set-123/key.pem cert.pem roots.pem
//	current -> set-123
//
// Key, certificate and roots are of use only together, and rename moves one name
// at a time: so they are one directory, and the link moves from the old one to
// the new one. Whenever the process is killed there is one complete set. The key
// is on disk before it is asked for, because the managers make a node's ID of
// its key: a machine that stops between question and answer asks again as the
// same node and does not leave another one behind.
//
// # State and locks
//
// Identity.mu guards what the certificate is, what a manager expects of it, and what
// keeps it from being renewed.
// It is not held while anybody is asked or the disk is written; only Renewal.Run
// renews.
//
// It refuses an identity whose certificate has run out, with the command that
// helps, and a certificate that is not for its key or comes from no root that
// was given with it. It does not decide who may be a node: managers do.
package identity
