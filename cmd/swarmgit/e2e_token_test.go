package main

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// TestAPushEndsWithItsToken removes the token of a push while its pack comes in, and
// while its rollout is watched.
func TestAPushEndsWithItsToken(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 1))

	token := c.token(t, "admin", "sends")
	noise := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // never fails
	c.commit(t, map[string]string{"noise": string(noise)})
	addr, stuck, goOn := slowLine(t, c.http, 1<<20)
	sending := c.pushAs(t, token, addr)
	<-stuck
	c.swarmgit("token", "rm", "sends")
	close(goOn)
	wantWords(t, sending.rest(), "remote: the token was removed or has expired, and what it began has ended", "refused: ended early. The cluster stays at", "[remote rejected] main -> main (swarmgit: ended early)")
	c.mustGit(t, "reset", "--quiet", "--hard", "HEAD^")

	token = c.token(t, "admin", "watches")
	slow := strings.Replace(shop("e2e/app:2", 1)["stacks/shop/stack.yml"], "100ms", "1h", 1)
	c.commit(t, map[string]string{"stacks/shop/stack.yml": slow})
	watching := c.pushAs(t, token, c.http)
	watching.await("committed")
	c.swarmgit("token", "rm", "watches")
	wantWords(t, watching.rest(), "remote: the token was removed or has expired: not watched any more; the rollout", "goes on: swarmgit wait ", "main -> main")
}

// said is what a push says until it ends.
type said struct {
	t     *testing.T
	lines *bufio.Scanner
	text  strings.Builder
}

// pushAs begins a push to an address of the remote, with a token.
func (c *realCluster) pushAs(t *testing.T, token, addr string) *said {
	t.Helper()
	out, in := io.Pipe()
	push := c.command("git", "push", "http://swarmgit:"+token+"@"+addr+"/git/main.git", "main")
	push.Stdout, push.Stderr = in, in
	if err := push.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { in.CloseWithError(push.Wait()) }()
	return &said{t: t, lines: bufio.NewScanner(out)}
}

// await reads until the push says the words.
func (s *said) await(words string) {
	s.t.Helper()
	for s.lines.Scan() {
		s.text.WriteString(clean(s.lines.Text()) + "\n")
		if strings.Contains(s.lines.Text(), words) {
			return
		}
	}
	s.t.Fatalf("it never says %q:\n%s", words, s.text.String())
}

// rest is all that it has said by its end.
func (s *said) rest() string {
	for s.lines.Scan() {
		s.text.WriteString(clean(s.lines.Text()) + "\n")
	}
	return s.text.String()
}

// slowLine is a line to an address that carries so many bytes, then nothing until it
// is told to.
func slowLine(t *testing.T, to string, bytes int64) (addr string, stuck <-chan struct{}, goOn chan<- struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	full, open := make(chan struct{}), make(chan struct{})
	carry := func(near net.Conn) {
		defer near.Close()
		far, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		go func() {
			_, _ = io.Copy(near, far) // until one of them ends
			near.Close()
		}()
		if _, err := io.CopyN(far, near, bytes); err == nil {
			close(full)
			<-open
			_, _ = io.Copy(far, near)
		}
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go carry(near)
		}
	}()
	return l.Addr().String(), full, open
}
