package outside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/swarmgit/swarmgit/specs"
)

// shell is upload-pack at the other end of an SSH connection.
type shell struct {
	client  *ssh.Client
	session *ssh.Session
	unhook  func() bool
	in      io.Writer
	io.Reader
	complaint complaint
	heard     sync.Once
}

func dialSSH(ctx context.Context, u *url.URL, c specs.Credential) (conversation, error) {
	config, err := sshConfig(u, c)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, unreachable(err)
	}
	s := &shell{unhook: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	over, channels, requests, err := ssh.NewClientConn(conn, hostPort(u), config)
	if err != nil {
		s.unhook()
		_ = conn.Close() // which has failed already
		return nil, explainSSH(err)
	}
	s.client = ssh.NewClient(over, channels, requests)
	if err := s.start(u.Path); err != nil {
		_ = s.Close() // which has failed already
		return nil, err
	}
	return s, nil
}

// start asks for upload-pack. A path that begins with "/~" is below a home.
func (s *shell) start(path string) (err error) {
	if s.session, err = s.client.NewSession(); err != nil {
		return err
	}
	s.session.Stderr = &s.complaint
	if s.in, err = s.session.StdinPipe(); err != nil {
		return err
	}
	if s.Reader, err = s.session.StdoutPipe(); err != nil {
		return err
	}
	if strings.HasPrefix(path, "/~") {
		path = path[1:]
	}
	return s.session.Start("git-upload-pack '" + strings.ReplaceAll(path, "'", `'\''`) + "'")
}

func (s *shell) ask(request string) error {
	_, err := io.WriteString(s.in, request)
	return err
}

func (s *shell) explain(err error) error {
	if ended(err) {
		_ = s.Close()
		s.heard.Do(func() { _ = s.session.Wait() }) // for what has come already: nothing more does
	}
	return s.complaint.or(err)
}

func (s *shell) Close() error {
	s.unhook()
	return s.client.Close()
}

func hostPort(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "22"))
}

func sshConfig(u *url.URL, c specs.Credential) (*ssh.ClientConfig, error) {
	known, err := parseKnownHosts(c.KnownHosts)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{
		User: cmp.Or(u.User.Username(), c.User, "git"), Timeout: dialLimit,
		HostKeyCallback: known.HostKeyCallback(), HostKeyAlgorithms: algorithms(known, hostPort(u)),
	}
	if c.Secret != "" {
		config.Auth = append(config.Auth, ssh.Password(string(c.Secret)))
	}
	if c.SSHKey != "" {
		signer, err := ssh.ParsePrivateKey([]byte(c.SSHKey))
		if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
			return nil, errors.New("the SSH key is locked by a passphrase: give one without, for this repository only")
		}
		if err != nil {
			return nil, errors.New("the SSH key cannot be read: give a private key, as ssh-keygen writes it")
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	return config, nil
}

// parseKnownHosts reads what OpenSSH calls known_hosts. The library reads files
// only.
func parseKnownHosts(text string) (*knownhosts.HostKeyDB, error) {
	file, err := os.CreateTemp("", "swarmgit-known-hosts-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	known, err := knownhosts.NewDB(file.Name())
	if err != nil {
		return nil, errors.New("the known hosts cannot be read: give a file in the form of ~/.ssh/known_hosts")
	}
	return known, nil
}

// algorithms are those of the keys and authorities that are known of the host: a
// server that has several kinds would else show one that is not known.
func algorithms(known *knownhosts.HostKeyDB, host string) []string {
	safe := ssh.SupportedAlgorithms().HostKeys
	return slices.DeleteFunc(known.HostKeyAlgorithms(host), func(name string) bool { return !slices.Contains(safe, name) })
}

func explainSSH(err error) error {
	switch {
	case knownhosts.IsHostUnknown(err):
		return errors.New("the known hosts do not have this server: add it to them, after you have checked its key")
	case knownhosts.IsHostKeyChanged(err):
		return errors.New("the server shows another key than the one that is known of it: somebody may be in between, or its key was changed; nothing was sent")
	case strings.Contains(err.Error(), "no authorities for hostname"):
		return errors.New("the server shows a certificate of another authority than the known hosts have: somebody may be in between; nothing was sent")
	case strings.Contains(err.Error(), "no common algorithm for host key"):
		return errors.New("the server has no key of the kind that is known of it: add its new key to the known hosts, after you have checked it")
	case strings.Contains(err.Error(), "unable to authenticate"):
		return errors.New("the server does not accept the SSH key: is its public half a deploy key of the repository?")
	}
	return fmt.Errorf("speak SSH: %w", err)
}
