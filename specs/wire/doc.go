// Package wire is how two swarmgit processes talk: the procedures and messages
// between them, and the codecs and connections that carry them.
package wire
