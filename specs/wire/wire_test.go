package wire_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

type question struct {
	Words string         `json:"words,omitempty"`
	Wait  specs.Duration `json:"wait,omitempty"`
}

type answer struct {
	Words string `json:"words,omitempty"`
	N     int    `json:"n,omitempty"`
}

const (
	ask    = wire.Unary[question, answer]("/test/Ask")
	count  = wire.ServerStream[question, answer]("/test/Count")
	gather = wire.ClientStream[question, answer]("/test/Gather")
)

// serve answers mux over a pipe and returns a client of it.
func serve(t *testing.T, mux *http.ServeMux) *wire.Client {
	t.Helper()
	return serveTo(t, mux, wire.NewClient)
}

func serveTo(t *testing.T, mux *http.ServeMux, newClient func(wire.Dial) *wire.Client) *wire.Client {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	pipe := wire.NewPipe()
	client := newClient(pipe.Dial)
	var served sync.WaitGroup
	served.Go(func() {
		if err := wire.Serve(ctx, pipe, mux); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		client.Close()
		stop()
		served.Wait()
	})
	return client
}

func TestUnary(t *testing.T) {
	mux := http.NewServeMux()
	ask.Serve(mux, func(_ context.Context, q question) (answer, error) {
		return answer{Words: strings.ToUpper(q.Words)}, nil
	})
	got, err := ask.Call(t.Context(), serve(t, mux), question{Words: "web"})
	if err != nil || got.Words != "WEB" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestErrorsKeepKindAndWords(t *testing.T) {
	for _, tc := range []struct {
		returned error
		kind     wire.Kind
		words    string
	}{
		{wire.Errorf(wire.NotFound, "no node %q", "n1"), wire.NotFound, `no node "n1"`},
		{wire.Errorf(wire.Conflict, "overtaken"), wire.Conflict, "overtaken"},
		{wire.Errorf(wire.NotLeader, "ask n2"), wire.NotLeader, "ask n2"},
		{wire.Errorf(wire.PermissionDenied, "task t is not yours"), wire.PermissionDenied, "task t is not yours"},
		{wire.Errorf(wire.OutcomeUnknown, "may be"), wire.OutcomeUnknown, "may be"},
		{errors.New("plain"), wire.Internal, "plain"},
	} {
		mux := http.NewServeMux()
		ask.Serve(mux, func(context.Context, question) (answer, error) { return answer{}, tc.returned })
		count.Serve(mux, func(context.Context, question, func(answer) error) error { return tc.returned })
		gather.Serve(mux, func(context.Context, iter.Seq2[question, error]) (answer, error) {
			return answer{}, tc.returned
		})
		client := serve(t, mux)

		_, unary := ask.Call(t.Context(), client, question{})
		var stream error
		for _, stream = range count.Call(t.Context(), client, question{}) {
		}
		_, upload := gather.Call(t.Context(), client, func(func(question) error) error { return nil })
		for _, err := range []error{unary, stream, upload} {
			if wire.KindOf(err) != tc.kind || err.Error() != tc.words {
				t.Errorf("%v came as %v, %v", tc.returned, wire.KindOf(err), err)
			}
		}
	}
}

func TestServerStreamEndsWhenTheReaderLeaves(t *testing.T) {
	ended := make(chan error, 1)
	mux := http.NewServeMux()
	count.Serve(mux, func(ctx context.Context, _ question, send func(answer) error) error {
		for n := range 3 {
			if err := send(answer{N: n}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	var got []int
	for a, err := range count.Call(t.Context(), serve(t, mux), question{}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, a.N); len(got) == 3 {
			break
		}
	}
	if err := <-ended; !errors.Is(err, context.Canceled) || len(got) != 3 {
		t.Fatalf("got %v, handler saw %v", got, err)
	}
}

func TestClientStream(t *testing.T) {
	mux := http.NewServeMux()
	gather.Serve(mux, func(_ context.Context, requests iter.Seq2[question, error]) (answer, error) {
		var all answer
		for q, err := range requests {
			if err != nil {
				return all, err
			}
			if q.Words == "stop" {
				return all, wire.Errorf(wire.NotFound, "nobody listens any more")
			}
			all.Words, all.N = all.Words+q.Words, all.N+1
		}
		return all, nil
	})
	client := serve(t, mux)
	got, err := gather.Call(t.Context(), client, func(send func(question) error) error {
		return errors.Join(send(question{Words: "a"}), send(question{Words: "b"}))
	})
	if err != nil || got != (answer{"ab", 2}) {
		t.Errorf("got %+v, %v", got, err)
	}

	_, err = gather.Call(t.Context(), client, func(send func(question) error) error {
		for {
			if err := send(question{Words: "stop"}); err != nil {
				return err
			}
		}
	})
	if wire.KindOf(err) != wire.NotFound {
		t.Errorf("the answer to an unfinished stream came as %v", err)
	}

	broken := errors.New("the log cannot be read")
	_, err = gather.Call(t.Context(), client, func(func(question) error) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("the source's own error came as %v", err)
	}
}

func TestSlowReceiverIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		ended := make(chan error, 1)
		mux := http.NewServeMux()
		count.Serve(mux, func(_ context.Context, _ question, send func(answer) error) error {
			start := time.Now()
			for {
				if err := send(answer{Words: strings.Repeat("x", 1<<20)}); err != nil {
					took = time.Since(start)
					ended <- err
					return err
				}
			}
		})
		client := serve(t, mux)
		for range count.Call(t.Context(), client, question{}) {
			<-ended
			break
		}
		if took != wire.SendTimeout {
			t.Errorf("cut off after %v", took)
		}
	})
}

func TestPersonMayPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 20
		mux := http.NewServeMux()
		count.Serve(mux, func(_ context.Context, _ question, send func(answer) error) error {
			for n := range messages {
				if err := send(answer{N: n, Words: strings.Repeat("x", 1<<20)}); err != nil {
					return err
				}
			}
			return nil
		})
		client := serveTo(t, mux, wire.NewJSONClient)
		got := 0
		for _, err := range count.Call(t.Context(), client, question{}) {
			if err != nil {
				t.Fatal(err)
			}
			if got++; got == 1 {
				time.Sleep(100 * wire.SendTimeout)
			}
		}
		if got != messages {
			t.Errorf("%d messages", got)
		}
	})
}

func TestTooLarge(t *testing.T) {
	mux := http.NewServeMux()
	ask.Serve(mux, func(context.Context, question) (answer, error) { return answer{}, nil })
	_, err := ask.Call(t.Context(), serve(t, mux), question{Words: strings.Repeat("x", 65<<20)})
	if wire.KindOf(err) != wire.Exhausted {
		t.Errorf("got %v", err)
	}
}

func TestIdleStreamIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		count.Serve(mux, func(_ context.Context, _ question, send func(answer) error) error {
			for n := range 3 {
				time.Sleep(100 * wire.SendTimeout)
				if err := send(answer{N: n}); err != nil {
					return err
				}
			}
			return nil
		})
		got := 0
		for _, err := range count.Call(t.Context(), serve(t, mux), question{}) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != 3 {
			t.Errorf("%d answers", got)
		}
	})
}

func TestServeEndsHandlersWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		pipe, mux := wire.NewPipe(), http.NewServeMux()
		count.Serve(mux, func(ctx context.Context, _ question, send func(answer) error) error {
			<-ctx.Done()
			return wire.Errorf(wire.NotLeader, "gave up")
		})
		client := wire.NewClient(pipe.Dial)
		defer client.Close()
		time.AfterFunc(time.Minute, stop)
		var served sync.WaitGroup
		served.Go(func() { _ = wire.Serve(ctx, pipe, mux) })
		var err error
		for _, err = range count.Call(t.Context(), client, question{}) {
		}
		served.Wait()
		if err == nil {
			t.Error("the stream ended as if all were well")
		}
		if _, err := pipe.Dial(t.Context()); wire.KindOf(err) != wire.Unavailable {
			t.Errorf("dial of a closed pipe: %v", err)
		}
	})
}

func TestJSONClient(t *testing.T) {
	mux := http.NewServeMux()
	ask.Serve(mux, func(_ context.Context, q question) (answer, error) { return answer{Words: q.Wait.String()}, nil })
	count.Serve(mux, func(_ context.Context, _ question, send func(answer) error) error {
		return errors.Join(send(answer{N: 1}), send(answer{N: 2}), wire.Errorf(wire.Unavailable, "later"))
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	client := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	defer client.Close()

	if got, err := ask.Call(t.Context(), client, question{Wait: specs.Duration(time.Minute)}); err != nil || got.Words != "1m0s" {
		t.Errorf("got %+v, %v", got, err)
	}
	sum, last := 0, error(nil)
	for a, err := range count.Call(t.Context(), client, question{}) {
		sum, last = sum+a.N, err
	}
	if sum != 3 || wire.KindOf(last) != wire.Unavailable {
		t.Errorf("got %d, %v", sum, last)
	}
}

func TestNobodyThere(t *testing.T) {
	client := wire.NewClient(func(context.Context) (net.Conn, error) {
		return nil, errors.New("dial /run/swarmgit/api: no such file")
	})
	_, err := ask.Call(t.Context(), client, question{})
	if wire.KindOf(err) != wire.Unavailable || err.Error() != "dial /run/swarmgit/api: no such file" {
		t.Errorf("got %v, %q", wire.KindOf(err), err)
	}
}

// TestCurl is what a person with curl sends and reads.
func TestCurl(t *testing.T) {
	mux := http.NewServeMux()
	ask.Serve(mux, func(_ context.Context, q question) (answer, error) {
		if q.Words == "" {
			return answer{}, wire.Errorf(wire.InvalidArgument, "say something")
		}
		return answer{Words: q.Words + " " + q.Wait.String()}, nil
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, tc := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"words":"wait","wait":"1m30s","from":"the future"}`, 200, `{"words":"wait 1m30s"}`},
		{`{}`, 400, `{"code":"invalid_argument","message":"say something"}`},
		{``, 400, `{"code":"invalid_argument","message":"say something"}`},
	} {
		res, err := http.Post(server.URL+string(ask), "application/json", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tc.status || strings.TrimSpace(string(got)) != tc.want {
			t.Errorf("%s: %d %s", tc.body, res.StatusCode, got)
		}
	}
}
