package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

func await[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// pair is a leader and a manager that passes requests on to it, both at real
// ports, or over pipes where time is tested.
type pair struct {
	t        *testing.T
	leader   *http.ServeMux // what the leader answers to people
	follower *http.ServeMux // what the other manager answers itself
	addr     string         // of the other manager
	port     string         // of the leader, for nodes
	stop     func()         // ends the leader, and every request that it answers

	nobody atomic.Bool  // nobody leads
	deaf   atomic.Bool  // the leader cannot be dialled
	left   atomic.Bool  // the leader leads no more, and the other does not know
	dials  atomic.Int32 // to the leader

	leaderless time.Duration // already, when nobody leads
	next       chan struct{} // closed once another leads
	first      chan struct{} // closed once one leads at all
	waiting    chan struct{} // hears of requests that wait for that

	pipes map[string]*wire.Queue // by address; nil: ports
}

func newPair(t *testing.T) *pair { return openPair(t, nil) }

// pipedPair is a pair in a bubble of synctest.
func pipedPair(t *testing.T) *pair { return openPair(t, map[string]*wire.Queue{}) }

func openPair(t *testing.T, pipes map[string]*wire.Queue) *pair {
	p := &pair{t: t, pipes: pipes, leader: http.NewServeMux(), follower: http.NewServeMux(), next: make(chan struct{}), first: make(chan struct{}), waiting: make(chan struct{}, 2)}
	nodes := http.NewServeMux()
	nodes.Handle(ForwardedPath+"/", Forwarded(p.leader, func(context.Context) bool { return !p.left.Load() }))
	p.port, p.stop = p.serve(nodes)
	p.addr, _ = p.serve(Forward(p.follower, p.who))
	return p
}

func (p *pair) who() (Leader, bool) {
	if p.nobody.Load() {
		return Leader{Leaderless: p.leaderless, Succeeded: p.succeeded}, false
	}
	return Leader{NodeID: id("n1"), Dial: p.dial, Succeeded: p.succeeded}, true
}

// succeeded waits as a request that goes to the leader, or, with a deadline, as
// one that goes to nobody yet.
func (p *pair) succeeded(ctx context.Context) {
	next := p.next
	if _, bounded := ctx.Deadline(); bounded {
		next = p.first
		select {
		case p.waiting <- struct{}{}:
		default: // nobody asks
		}
	}
	select {
	case <-next:
	case <-ctx.Done():
	}
}

func (p *pair) dial(ctx context.Context) (net.Conn, error) {
	p.dials.Add(1)
	if p.deaf.Load() {
		return nil, errors.New("connection refused")
	}
	return p.reach(ctx, p.port)
}

// reach connects to one of the two.
func (p *pair) reach(ctx context.Context, addr string) (net.Conn, error) {
	if p.pipes == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	near, far := net.Pipe()
	if !p.pipes[addr].Put(ctx, far) {
		return nil, net.ErrClosed
	}
	return near, nil
}

func (p *pair) listen() net.Listener {
	p.t.Helper()
	if p.pipes != nil {
		addr := &net.UnixAddr{Name: fmt.Sprint("pipe", len(p.pipes))}
		q := wire.NewQueue(addr)
		p.pipes[addr.Name] = q
		return q
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

func (p *pair) serve(h http.Handler) (addr string, stop func()) {
	p.t.Helper()
	l := p.listen()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := wire.Serve(ctx, l, h); err != nil {
			p.t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	p.t.Cleanup(stop)
	return l.Addr().String(), stop
}

// client is a person's client of the manager that does not lead.
func (p *pair) client() *wire.Client {
	client := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
		return p.reach(ctx, p.addr)
	})
	p.t.Cleanup(client.Close)
	return client
}

// post asks as curl does, over HTTP/1.1.
func (p *pair) post(path, contentType string, body io.Reader) (status int, text string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.addr+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	return p.send(r)
}

func (p *pair) send(r *http.Request) (status int, text string) {
	p.t.Helper()
	r.Header.Set("Authorization", "Bearer secret")
	client := http.DefaultClient
	if p.pipes != nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.reach(ctx, p.addr)
		}}}
	}
	response, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(data))
}

func TestTheLeaderAnswers(t *testing.T) {
	p := newPair(t)
	w := prod(t)
	w.server().Register(p.leader)
	client := p.client()
	reply, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{Name: "n2", Availability: specs.Drain})
	if err != nil || !reply.Changed {
		t.Fatalf("got %+v, %v", reply, err)
	}
	_, err = InspectService.Call(t.Context(), client, ByName{Name: "none"})
	wantKind(t, err, wire.NotFound, "no such service: none (see: swarmgit service ls)")
	status, text := p.post(string(InspectService), "application/json", strings.NewReader(`{"name":"none"}`))
	if status != http.StatusNotFound || text != `{"code":"not_found","message":"no such service: none (see: swarmgit service ls)"}` {
		t.Errorf("over HTTP/1.1: status %d: %s", status, text)
	}
	if n := p.dials.Load(); n != 1 {
		t.Errorf("%d connections for 3 calls", n)
	}
}

func TestWhatConcernsThisDaemonStaysHere(t *testing.T) {
	p := newPair(t)
	here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here ", r.Header.Get("Authorization")) })
	there := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "there %s?%s%s", r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"))
	})
	p.follower.Handle("/", here)
	p.leader.Handle("/", there)
	for path, want := range map[string]string{
		"/healthz":         "here Bearer secret",
		MetricsPath:        "here Bearer secret",
		string(LoadImage):  "here Bearer secret",
		string(ListImages): "here Bearer secret",
		string(GitURL):     "here Bearer secret",
		string(ListEvents): "here Bearer secret",
		string(GetStatus):  "there /swarmgit.api/GetStatus?",
		"/git/main.git/info/refs?service=git-upload-pack": "there /git/main.git/info/refs?service=git-upload-pack",
		"/a%2Fb/c": "there /a%2Fb/c?",
	} {
		if status, text := p.post(path, "text/plain", nil); status != http.StatusOK || text != want {
			t.Errorf("%s: status %d: %s", path, status, text)
		}
	}
}

// Replies come as they are sent, and who leaves is gone at the leader too.
func TestStreamsFlowThrough(t *testing.T) {
	p := newPair(t)
	more, gone := make(chan struct{}), make(chan error, 1)
	Logs.Serve(p.leader, func(ctx context.Context, req LogsRequest, send func(LogsReply) error) error {
		if err := send(LogsReply{Err: "first of " + req.Service}); err != nil {
			return err
		}
		<-more
		if err := send(LogsReply{Err: "second"}); err != nil {
			return err
		}
		<-ctx.Done()
		gone <- ctx.Err()
		return ctx.Err()
	})
	var got []string
	for reply, err := range Logs.Call(t.Context(), p.client(), LogsRequest{Service: "web"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, reply.Err)
		if len(got) == 1 {
			close(more)
		} else {
			break
		}
	}
	if strings.Join(got, ", ") != "first of web, second" {
		t.Errorf("got %q", got)
	}
	if err := await(t, "the leader to notice", gone); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAStreamEndsAsTheLeaderEndsIt(t *testing.T) {
	p := newPair(t)
	Wait.Serve(p.leader, func(_ context.Context, req WaitRequest, send func(WaitReply) error) error {
		if err := send(WaitReply{Line: "one"}); err != nil || req.Rev == "" {
			return err
		}
		return wire.Errorf(wire.NotFound, "the cluster has seen no commit %s", req.Rev)
	})
	for rev, want := range map[string]string{"": "one", "7bd31c2": "one, the cluster has seen no commit 7bd31c2"} {
		var got []string
		for reply, err := range Wait.Call(t.Context(), p.client(), WaitRequest{Rev: rev}) {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, reply.Line)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: got %q", rev, got)
		}
	}
}

// Whoever follows a stream reads words, not what became of a connection.
func TestAStreamWhoseLeaderIsLost(t *testing.T) {
	for _, sent := range []int{0, 1} {
		p := newPair(t)
		Wait.Serve(p.leader, func(ctx context.Context, _ WaitRequest, send func(WaitReply) error) error {
			for range sent {
				if err := send(WaitReply{Line: "one"}); err != nil {
					return err
				}
			}
			panic(http.ErrAbortHandler)
		})
		got := 0
		for _, err := range Wait.Call(t.Context(), p.client(), WaitRequest{}) {
			if got++; got > sent {
				wantKind(t, err, wire.Unavailable, leaderGone.words())
			}
		}
		if got != sent+1 {
			t.Errorf("%d replies after %d were sent", got, sent)
		}
	}
}

func TestNobodyLeads(t *testing.T) {
	p := newPair(t)
	p.leaderless = ElectionPatience // none is left
	w := prod(t)
	w.server().Register(p.follower)
	w.server().Register(p.leader)
	p.nobody.Store(true)
	client := p.client()
	_, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{Name: "n2", Availability: specs.Drain})
	wantKind(t, err, wire.Unavailable, noLeader)
	for _, err := range WatchDrain.Call(t.Context(), client, ByName{Name: "n2"}) {
		wantKind(t, err, wire.Unavailable, noLeader)
	}
	status, text := p.post("/git/main.git/git-upload-pack", "application/x-git-upload-pack-request", nil)
	if status != http.StatusServiceUnavailable || text != "swarmgit: "+noLeader {
		t.Errorf("Git: status %d: %s", status, text)
	}
	if reply, err := GetStatus.Call(t.Context(), p.client(), Empty{}); err != nil || reply.Cluster != "prod" {
		t.Errorf("status from the own copy: %+v, %v", reply, err)
	}
	if len(reads) == 0 {
		t.Error("no procedure only looks")
	}
}

// Whoever asks during an election reads its answer, not that there is one.
func TestRequestsWaitForTheNextLeader(t *testing.T) {
	for name, lose := range map[string]func(*pair, bool){
		"nobody leads":                                 func(p *pair, lost bool) { p.nobody.Store(lost) },
		"the leader was killed":                        func(p *pair, lost bool) { p.deaf.Store(lost) },
		"the leader leads no more, and says so":        func(p *pair, lost bool) { p.left.Store(lost) },
		"it is known no more, and takes no connection": func(p *pair, lost bool) { p.deaf.Store(lost); p.nobody.Store(lost) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipedPair(t)
				p.leader.HandleFunc("/git/", func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(w, r.Body)
					if err != nil {
						t.Error(err)
					}
				})
				prod(t).server().Register(p.leader)
				lose(p, true)
				write, push := make(chan error, 1), make(chan string, 1)
				go func() {
					_, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{Name: "n2", Availability: specs.Drain})
					write <- err
				}()
				go func() {
					_, text := p.post("/git/main.git/git-receive-pack", pushRequest, strings.NewReader("a pack"))
					push <- text
				}()
				for range 2 {
					await(t, "both to wait", p.waiting)
				}
				time.Sleep(ElectionPatience / 2)
				lose(p, false)
				close(p.first)
				if err := await(t, "an answer", write); err != nil {
					t.Error(err)
				}
				if text := await(t, "an answer", push); text != "a pack" {
					t.Errorf("the push: %q", text)
				}
			})
		})
	}
}

func TestTheLeaderIsLost(t *testing.T) {
	p := newPair(t)
	asked := make(chan string, 1)
	p.leader.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // as a process that was killed
	})
	p.deaf.Store(true)
	_, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{})
	wantKind(t, err, wire.Unavailable, "the leader cannot be reached, nothing was changed: try again in a moment: connection refused")
	p.deaf.Store(false)

	read, write := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := GetStatus.Call(t.Context(), p.client(), Empty{})
		read <- err
	}()
	await(t, "the first request", asked)
	go func() {
		_, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{})
		write <- err
	}()
	await(t, "the second request", asked)
	p.stop()
	wantKind(t, await(t, "an answer", read), wire.Unavailable, leaderGone.words())
	wantKind(t, await(t, "an answer", write), wire.OutcomeUnknown,
		`outcome not known (the leader went away meanwhile): see "swarmgit status"; asking again is safe`)
}

// A leader without power says nothing, and its connections stay for long.
func TestAnotherLeads(t *testing.T) {
	p := newPair(t)
	asked := make(chan struct{}, 3)
	p.leader.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	read, write, push := make(chan error, 1), make(chan error, 1), make(chan string, 1)
	go func() {
		_, err := GetStatus.Call(t.Context(), p.client(), Empty{})
		read <- err
	}()
	go func() {
		_, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{})
		write <- err
	}()
	go func() {
		_, text := p.post("/git/main.git/git-receive-pack", pushRequest, nil)
		push <- text
	}()
	for range 3 {
		await(t, "the requests", asked)
	}
	close(p.next)
	wantKind(t, await(t, "an answer", read), wire.Unavailable, leaderGone.words())
	wantKind(t, await(t, "an answer", write), wire.OutcomeUnknown,
		`outcome not known (the leader went away meanwhile): see "swarmgit status"; asking again is safe`)
	if text := await(t, "an answer", push); text != string(pushFrames.end(leaderGone)) {
		t.Errorf("the push: %q", text)
	}
}

// A leader that hands over, because of what it was asked for, answers all the same.
func TestTheAnswerComesAfterTheHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipedPair(t)
		p.leader.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			close(p.next)
			select {
			case <-time.After(lastAnswer - time.Millisecond):
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"node":{"id":"n5"}}`)) // who asked may be gone
			case <-r.Context().Done():
			}
		})
		if reply, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{}); err != nil || reply.Node.ID != "n5" {
			t.Errorf("got %+v, %v", reply, err)
		}
	})
}

// Git shows the words of a refusal only in an answer of its own kind.
func TestAPushThatNobodyTakes(t *testing.T) {
	p := newPair(t)
	p.leaderless = ElectionPatience // none is left
	p.nobody.Store(true)
	status, text := p.post("/git/main.git/git-receive-pack", pushRequest, nil)
	if want := string(lastPacket("\nswarmgit: " + noLeader + "\n")); status != http.StatusOK || text != want {
		t.Errorf("status %d: %q", status, text)
	}
}

// A push that waits for its turn fills the window of its connection. Nobody else
// may share it.
func TestAPushThatWaitsHoldsUpNobody(t *testing.T) {
	p := newPair(t)
	turn, waiting := make(chan struct{}), make(chan struct{}, 1)
	p.leader.HandleFunc("POST /git/slow", func(w http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-turn
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err)
	})
	p.leader.HandleFunc("POST /git/quick", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, " ", err)
	})
	prod(t).server().Register(p.leader)
	const size = 8 << 20 // more than fits into every window on the way
	body := func() io.Reader { return bytes.NewReader(make([]byte, size)) }
	slow := make(chan string, 1)
	go func() {
		_, text := p.post("/git/slow", pushRequest, body())
		slow <- text
	}()
	await(t, "the first push", waiting)
	if _, text := p.post("/git/quick", pushRequest, body()); text != fmt.Sprint(size, " <nil>") {
		t.Errorf("the second push: %s", text)
	}
	if _, err := UpdateNode.Call(t.Context(), p.client(), UpdateNodeRequest{
		Name: "n2", LabelAdd: map[string]string{"long": strings.Repeat("x", size/2)},
	}); err != nil {
		t.Errorf("a large call: %v", err)
	}
	close(turn)
	if text := await(t, "the first push", slow); text != fmt.Sprint(size, " <nil>") {
		t.Errorf("the first push: %s", text)
	}
}
