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
// Its SSH transport shakes hands without a context, so that a mute server holds
// a goroutine for ever, and reads the user's configuration; its HTTP transport
// follows a redirect and sends the credentials along; and its repositories are
// not safe for concurrent use and would be a second copy of every object. What
// is left of the protocol without it is this package.
package outside
