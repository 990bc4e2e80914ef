package outside

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// scpForm is "git@host:path", as people write SSH addresses.
var scpForm = regexp.MustCompile(`^(?:([^@/:]+)@)?([^@/:\[\]]+|\[[^\]]+\]):([^:].*)$`)

// Normalize is a repository's address as it is kept: a URL of http, https, ssh
// or file without credentials. A user's name in an HTTP address is returned
// beside it; a password is refused, and so is what cannot be an address.
func Normalize(address string) (normal, user string, err error) {
	if strings.HasPrefix(address, "/") {
		address = "file://" + address
	}
	if m := scpForm.FindStringSubmatch(address); m != nil && !strings.Contains(address, "://") {
		address = "ssh://" + scpUser(m[1]) + m[2] + "/" + strings.TrimPrefix(m[3], "/")
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", "", errors.New("it is no address of a repository") // the cause would show what is in it
	}
	if _, set := u.User.Password(); set {
		return "", "", errors.New("a password does not belong into an address: give it by --token-file")
	}
	switch u.Scheme {
	case "http", "https":
		user, u.User = u.User.Username(), nil
	case "ssh":
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return "", "", errors.New("a repository on this machine is file:///PATH")
		}
	default:
		return "", "", fmt.Errorf("%q is not one of https://, http://, ssh:// and file://", u.Scheme)
	}
	if u.Scheme != "file" && u.Hostname() == "" || strings.Trim(u.Path, "/") == "" {
		return "", "", errors.New("it names no host and repository")
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), user, nil
}

func scpUser(user string) string {
	if user == "" {
		return ""
	}
	return user + "@"
}

// Check refuses a credential that does not fit the address, which is as
// Normalize made it, in words for whoever gave both.
func Check(address string, c specs.Credential) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	switch {
	case u.Scheme == "ssh" && c.KnownHosts == "":
		return errors.New(`over SSH the server must be known: give --known-hosts FILE ("ssh-keyscan HOST" writes one, check it)`)
	case u.Scheme == "ssh" && c.SSHKey == "" && c.Secret == "":
		return errors.New("over SSH a key is needed: give --ssh-key FILE")
	case u.Scheme != "ssh" && (c.SSHKey != "" || c.KnownHosts != ""):
		return fmt.Errorf("--ssh-key and --known-hosts are for ssh://, this is %s://", u.Scheme)
	case u.Scheme == "file" && (c.Secret != "" || c.User != ""):
		return errors.New("a repository on this machine needs no credentials")
	case u.Scheme == "http" && c.Secret != "" && !loopback(u.Hostname()):
		return errors.New("over http:// anybody on the way could read the token: use https://")
	}
	if u.Scheme != "ssh" {
		return nil
	}
	_, err = sshConfig(u, c)
	return err
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
