// Package wire is how two swarmgit processes talk: the procedures and messages
// between them, and the codecs, errors and connections that carry them.
//
// A procedure is a typed name. Both sides are one line:
//
//	wire.Content.Serve(mux, d.content)
//	reply, err := wire.Content.Call(ctx, client, request)
//
// Underneath is Connect over HTTP/2, between nodes with TLS. HTTP/1.1 is answered
// too, so that a person with curl can call what speaks JSON:
//
//	curl --json '{}' --unix-socket /run/swarmgit/swarmgit.sock http://swarmgit/swarmgit.api/GetStatus
//
// Every procedure understands both codecs and answers in the one it was asked
// in: CBOR between nodes, JSON for people. What the other side sends in fields
// that are not known here is ignored, so that releases can differ.
//
// A node's session is no call but a [Link]: a connection of its own, over which both
// sides send messages.
//
// An error keeps its words and its [Kind] across the wire. The package knows no
// cluster: it refuses messages that are too large, receivers that take nothing
// for [SendTimeout], and at the [Port] whom its certificate does not let in, or
// who has none and stays.
package wire
