package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// tokenVariable holds the token for a daemon that is asked over HTTP. There is no
// flag for it: the arguments of a process are not secret.
const tokenVariable = "SWARMGIT_TOKEN"

func isURL(host string) bool {
	return strings.HasPrefix(host, "http://") || strings.HasPrefix(host, "https://")
}

// connectHTTP returns a client of a daemon's port for people.
func connectHTTP(host, token string) (*wire.Client, error) {
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("--host: this is no address: one looks like http://127.0.0.1:2378")
	case u.User != nil:
		return nil, fmt.Errorf("--host %s: give the token in %s, not in the address", u.Redacted(), tokenVariable)
	case token == "":
		return nil, fmt.Errorf("--host %s: a token is needed in %s: \"swarmgit token create\" makes one on a manager", host, tokenVariable)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("--host %s: the token would go over the network in clear: use https://, or a tunnel to 127.0.0.1 (ssh -L)", host)
	}
	return wire.NewHTTPClient(strings.TrimRight(host, "/"), token), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
