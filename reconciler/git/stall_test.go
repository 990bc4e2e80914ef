package git

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

// lone is a listener of one connection.
type lone struct {
	conns chan net.Conn
}

func (l *lone) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *lone) Close() error   { return nil }
func (l *lone) Addr() net.Addr { return &net.TCPAddr{} }

// bubbleConn talks to a handler inside a bubble. ended closes once the handler has
// returned.
func bubbleConn(t *testing.T, handler http.Handler) (conn net.Conn, ended chan struct{}) {
	conn, far := net.Pipe()
	l := &lone{make(chan net.Conn, 1)}
	l.conns <- far
	ended = make(chan struct{}, 10)
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: &both, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		handler.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until the end
	}()
	t.Cleanup(func() {
		close(l.conns)
		conn.Close()
		server.Close()
		<-done
	})
	return conn, ended
}

// bubbleServer refuses every push by its commands alone, so that no process of git
// is started.
func bubbleServer(t *testing.T) *Server {
	repo := &Repository{dir: t.TempDir(), closed: make(chan struct{})}
	if err := replace(repo.dir+"/HEAD", "ref: refs/heads/main\n", 0o600); err != nil {
		t.Fatal(err)
	}
	return &Server{Repository: repo, Cluster: newCluster(t), PackLimit: oneMebibyte}
}

// TestClientsThatStall is of clients who begin a request and do not go on with it.
func TestClientsThatStall(t *testing.T) {
	refused := pktline.Line(zeroHash+" "+strings.Repeat("1", 40)+" refs/tags/v1\x00report-status") + pktline.Flush
	for name, c := range map[string]struct {
		route, encoding, begin string
		drip                   time.Duration
	}{
		"a fetch, mute":               {route: "/git-upload-pack"},
		"a fetch, mute in the middle": {route: "/git-upload-pack", begin: "0032want"},
		"a fetch, zipped and mute":    {route: "/git-upload-pack", encoding: "gzip", begin: "\x1f"},
		"a push, mute":                {route: "/git-receive-pack"},
		"a push, mute in a command":   {route: "/git-receive-pack", begin: refused[:60]},
		"a push, zipped and mute":     {route: "/git-receive-pack", encoding: "gzip"},
		"a push, mute in the pack":    {route: "/git-receive-pack", begin: refused + "PACK"},
		"a push that drips":           {route: "/git-receive-pack", begin: refused + "PACK", drip: 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, ended := bubbleConn(t, bubbleServer(t))
				go io.Copy(io.Discard, conn)
				began := time.Now()
				if _, err := io.WriteString(conn, "POST "+Path+c.route+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nContent-Encoding: "+c.encoding+"\r\n\r\n"+c.begin); err != nil {
					t.Fatal(err)
				}
				for c.drip > 0 {
					time.Sleep(c.drip)
					if _, err := io.WriteString(conn, "x"); err != nil {
						break
					}
				}
				select {
				case <-ended:
				case <-time.After(time.Hour):
				}
				for range 1000 { // until the server has hung up
					if _, err := io.WriteString(conn, "x"); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if took := time.Since(began); took > 4*stallLimit {
					t.Errorf("it was waited for %v", took)
				}
			})
		})
	}
}

// overHTTP2 is a handler's answer to a request, over HTTP/2.
func overHTTP2(t *testing.T, body io.Reader, handler http.HandlerFunc) (n int64) {
	conn, ended := bubbleConn(t, handler)
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &h2c, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("POST", "http://x/", body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err = io.Copy(io.Discard, answer.Body); err != nil {
		t.Error(err)
	}
	<-ended
	return n
}

// TestSlowClientsMayTakeTheirTime is of a client whose line is slow, while git, on a
// slow disk, keeps it waiting.
func TestSlowClientsMayTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, slowly := io.Pipe()
		go func() {
			defer slowly.Close()
			for range 64 {
				time.Sleep(4 * time.Second) // 16 KiB a second
				if _, err := slowly.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}()
		overHTTP2(t, body, func(w http.ResponseWriter, r *http.Request) {
			m := &meter{in: r.Body, control: http.NewResponseController(w), limit: 1 << 30}
			for !m.ended {
				if _, err := m.Read(make([]byte, 32<<10)); err == nil {
					time.Sleep(2 * stallLimit) // as git does
				}
			}
			if m.count.Load() != 4<<20 {
				t.Errorf("%d bytes came", m.count.Load())
			}
		})
	})
}

// TestAnswers is of a client that takes nothing of its answer, and of one that git
// says nothing for long.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, ended := bubbleConn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			out := &flushing{w, http.NewResponseController(w)}
			for range 1000 {
				if _, err := io.WriteString(out, strings.Repeat("x", 64<<10)); err != nil {
					return
				}
			}
		}))
		began := time.Now()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-ended
		if took := time.Since(began); took > 2*stallLimit {
			t.Errorf("it was waited for %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := overHTTP2(t, nil, func(w http.ResponseWriter, r *http.Request) {
			out := &flushing{w, http.NewResponseController(w)}
			for range 2 {
				io.WriteString(out, "x")
				time.Sleep(2 * stallLimit)
			}
		})
		if n != 2 {
			t.Errorf("%d bytes came", n)
		}
	})
}
