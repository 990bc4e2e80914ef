package outside

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
)

// key is an SSH key, in both halves.
type key struct {
	signer  ssh.Signer
	private specs.Hidden
}

// newKey makes a key, and the known hosts in which addr has it.
func newKey(t *testing.T, addr string) (k key, hosts string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	k.private = specs.Hidden(pem.EncodeToMemory(block))
	if k.signer, err = ssh.ParsePrivateKey([]byte(k.private)); err != nil {
		t.Fatal(err)
	}
	return k, knownhosts.Line([]string{addr}, k.signer.PublicKey()) + "\n"
}

// sshd serves the repositories below root to the key of one person.
func sshd(t *testing.T, root string, person ssh.PublicKey) (addr, hosts string) {
	t.Helper()
	l := listen(t)
	host, hosts := newKey(t, l.Addr().String())
	serveAs(t, l, root, person, host.signer)
	return l.Addr().String(), hosts
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveAs is sshd with host keys of the caller's.
func serveAs(t *testing.T, l net.Listener, root string, person ssh.PublicKey, hosts ...ssh.Signer) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(person.Marshal()) {
			return nil, errors.New("no")
		}
		return nil, nil
	}}
	for _, host := range hosts {
		config.AddHostKey(host)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serveSSH(conn, config, root) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig, root string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			command := string(r.Payload[4:])
			_ = r.Reply(r.Type == "exec", nil)
			path, ok := strings.CutPrefix(command, "git-upload-pack '/")
			if !ok {
				break
			}
			cmd := exec.Command("git", "upload-pack", filepath.Join(root, strings.TrimSuffix(path, "'")))
			cmd.Env, cmd.Stdout, cmd.Stderr = git.Environment(), channel, channel.Stderr()
			in, err := cmd.StdinPipe()
			if err != nil || cmd.Start() != nil {
				break
			}
			go func() { // until the channel is closed
				_, _ = io.Copy(in, channel)
				in.Close()
			}()
			_ = cmd.Wait()
			break
		}
		channel.Close()
	}
}

func TestOverSSH(t *testing.T) {
	root, first, second := newRepository(t)
	person, _ := newKey(t, "x")
	addr, hosts := sshd(t, root, person.signer.PublicKey())
	wantCommits(t, Remote{"ssh://git@" + addr + "/shop", "main", specs.Credential{SSHKey: person.private, KnownHosts: hosts}}, first, second)
}

// A server for which an authority of the known hosts vouches needs no line of its
// own; another authority's word counts for nothing.
func TestSSHAuthority(t *testing.T) {
	root, first, second := newRepository(t)
	person, _ := newKey(t, "x")
	host, _ := newKey(t, "x")
	l := listen(t)
	authority, line := newKey(t, l.Addr().String())
	_, otherLine := newKey(t, l.Addr().String())
	cert := &ssh.Certificate{
		Key: host.signer.PublicKey(), CertType: ssh.HostCert,
		ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity,
	}
	if err := cert.SignCert(rand.Reader, authority.signer); err != nil {
		t.Fatal(err)
	}
	vouched, err := ssh.NewCertSigner(cert, host.signer)
	if err != nil {
		t.Fatal(err)
	}
	serveAs(t, l, root, person.signer.PublicKey(), host.signer, vouched)
	r := Remote{"ssh://git@" + l.Addr().String() + "/shop", "main", specs.Credential{SSHKey: person.private, KnownHosts: "@cert-authority " + line}}
	wantCommits(t, r, first, second)
	r.Credential.KnownHosts = "@cert-authority " + otherLine
	if _, err := r.Tip(t.Context()); err == nil || !strings.Contains(err.Error(), "another authority") {
		t.Errorf("another authority: %v", err)
	}
}

// A server is talked to only if it shows the key that is known of it.
func TestSSHInWords(t *testing.T) {
	root, _, _ := newRepository(t)
	person, _ := newKey(t, "x")
	stranger, _ := newKey(t, "x")
	addr, hosts := sshd(t, root, person.signer.PublicKey())
	_, otherKey := newKey(t, addr)
	for name, c := range map[string]struct {
		path       string
		credential specs.Credential
		words      string
	}{
		"another key":   {"/shop", specs.Credential{SSHKey: person.private, KnownHosts: otherKey}, "shows another key than the one that is known of it"},
		"not known":     {"/shop", specs.Credential{SSHKey: person.private, KnownHosts: "# nobody\n"}, "the known hosts do not have this server"},
		"not accepted":  {"/shop", specs.Credential{SSHKey: stranger.private, KnownHosts: hosts}, "does not accept the SSH key"},
		"no repository": {"/none", specs.Credential{SSHKey: person.private, KnownHosts: hosts}, "does not appear to be a git repository"},
	} {
		_, err := (Remote{"ssh://" + addr + c.path, "main", c.credential}).Tip(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}

func TestCheck(t *testing.T) {
	person, hosts := newKey(t, "git.example:22")
	block, err := ssh.MarshalPrivateKeyWithPassphrase(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), "", []byte("words"))
	if err != nil {
		t.Fatal(err)
	}
	locked := specs.Hidden(pem.EncodeToMemory(block))
	for name, c := range map[string]struct {
		url        string
		credential specs.Credential
		words      string
	}{
		"all":             {"ssh://git.example/x", specs.Credential{SSHKey: person.private, KnownHosts: hosts}, ""},
		"no known hosts":  {"ssh://git.example/x", specs.Credential{SSHKey: person.private}, "give --known-hosts FILE"},
		"no key":          {"ssh://git.example/x", specs.Credential{KnownHosts: hosts}, "give --ssh-key FILE"},
		"a locked key":    {"ssh://git.example/x", specs.Credential{SSHKey: locked, KnownHosts: hosts}, "locked by a passphrase"},
		"half a key":      {"ssh://git.example/x", specs.Credential{SSHKey: person.private[:80], KnownHosts: hosts}, "the SSH key cannot be read"},
		"odd hosts":       {"ssh://git.example/x", specs.Credential{SSHKey: person.private, KnownHosts: "a b c d e\n"}, "the known hosts cannot be read"},
		"key over https":  {"https://git.example/x", specs.Credential{SSHKey: person.private}, "are for ssh://"},
		"token over http": {"http://git.example/x", specs.Credential{Secret: "s3cret"}, "anybody on the way could read the token"},
		"token here":      {"http://127.0.0.1/x", specs.Credential{Secret: "s3cret"}, ""},
		"token on disk":   {"file:///srv/x", specs.Credential{Secret: "s3cret"}, "needs no credentials"},
	} {
		err := Check(c.url, c.credential)
		if err == nil && c.words != "" || err != nil && (c.words == "" || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
}
