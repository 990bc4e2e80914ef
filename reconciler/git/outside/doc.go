// Package outside answers of a Git repository elsewhere: which commit is a
// branch at, and what does that commit need beyond another one? It is for the
// manager that follows such a repository as a source; the packs go into the
// cluster's own repository, which checks every object as it checks a push.
//
// It speaks with `git upload-pack` there, over HTTP, SSH, or in a process for a
// repository on this machine:
//
//	upload-pack                     this package
//	 |-- refs and capabilities ------>|  Tip ends here
//	 |<- want, have, done ------------|
//	 |-- the pack ------------------->|  Fetch hands it on as it comes
//
// # Whom it trusts
//
// Nobody. Every conversation ends with its context, whether the server is mute
// or drips; what is kept of it in memory is bounded. A server that redirects to
// another host never gets the credentials there: that is refused in words. An
// SSH server shows a key that is known or is not talked to. Credentials come from
// the caller alone: no configuration and no agent of anybody's is asked, of the
// daemon's environment but the HTTP proxy. None appears in an error.
//
// # Why not go-git
//
// Measured with v5.19.3, at the level of its plumbing. Its HTTP transport is
// sound: it ends with its context and keeps credentials from another host; but
// it reads an error page whole, 600 MB of one that did not end, and as many refs
// as come. Its SSH transport has no context for the handshake, the channel and
// the command: a server mute in one of them holds the goroutine for ever, also
// with ClientConfig.Timeout, and the only cure is a dialer registered for the
// whole process as a proxy; it takes hosts from ~/.ssh/config unless a global
// is set, and its proxy from ALL_PROXY. Its file transport runs upload-pack in
// the daemon's environment: a broken ~/.gitconfig there stops it.
//
// Its codec alone (packp, sideband) passes this package's tests and saves 41
// lines of it, before three mends: a gigabyte of ACKs is kept in a gigabyte of
// memory, a pack that is cut off between two packets ends as if it were whole,
// and what the server says of an error is not made fit for a terminal. It brings
// 15 modules into go.mod and 6 into the binary (0.07 MB; the transports 14 and
// 1.6 MB). Below this package are net/http, golang.org/x/crypto/ssh and git
// itself; its own are what Git says over them, the limits and the words.
package outside
