package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// connect returns a client of the daemon that the options name.
func (o *options) connect() (*wire.Client, error) {
	if host := o.address(); isURL(host) {
		return connectHTTP(host, os.Getenv(tokenVariable))
	}
	path, err := o.socket()
	if err != nil {
		return nil, err
	}
	return wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
		conn, err := dialSocket(ctx, path)
		if err != nil {
			return nil, explainDial(path, err)
		}
		return conn, nil
	}), nil
}

// dialSocket connects to a daemon's own socket.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", path)
}

// address is what the person said of where the daemon is: --host, else
// SWARMGIT_HOST.
func (o *options) address() string { return cmp.Or(o.host, os.Getenv("SWARMGIT_HOST")) }

// socket is the path of the daemon's socket: the default of this user unless the
// person named another.
func (o *options) socket() (string, error) {
	host := o.address()
	if host == "" {
		if err := ownDir(runtimeDir()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return defaultSocket(), nil
	}
	path := strings.TrimPrefix(host, "unix://")
	if strings.Contains(path, "://") {
		return "", fmt.Errorf("--host %s: only a socket's path, unix://PATH, http:// or https:// is understood", host)
	}
	if _, port, err := net.SplitHostPort(path); err == nil && port != "" && filepath.Base(path) == path {
		return "", fmt.Errorf("--host %s: a manager is asked on its own machine, by its socket, or from elsewhere by its HTTP port: "+
			"ssh -N -L 2378:127.0.0.1:2378 to that machine, then --host http://127.0.0.1:2378", path)
	}
	return path, nil
}

// defaultSocket is where a daemon of this user listens.
func defaultSocket() string { return filepath.Join(runtimeDir(), "swarmgit.sock") }

// runtimeDir holds sockets and other things that do not outlive the machine.
func runtimeDir() string {
	if os.Geteuid() == 0 {
		return "/run/swarmgit"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "swarmgit")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("swarmgit-%d", os.Geteuid()))
}

func explainDial(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no daemon answers at %s: start one with \"swarmgit daemon\", or name its socket with --host", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the daemon at %s belongs to another user: use sudo", path)
	}
	return fmt.Errorf("connect to the daemon at %s: %w", path, err)
}

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
