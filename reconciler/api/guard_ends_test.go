package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// fleeting are tokens that are good until then.
type fleeting chan struct{}

func (fleeting) TokenOf(string) specs.AccessToken {
	return specs.AccessToken{Name: "ci", Role: specs.Admin}
}

func (f fleeting) TokenEnds(ctx context.Context, _ string) {
	select {
	case <-f:
	case <-ctx.Done():
	}
}

// What a token began ends with it, in words, whether the manager that was asked
// answers or the leader does, and whoever does not read.
func TestWhatATokenBeganEndsWithIt(t *testing.T) {
	for name, over := range map[string]func(*pair) http.Handler{
		"the manager that is asked": func(p *pair) http.Handler { return p.leader },
		"the leader":                func(p *pair) http.Handler { return Forward(p.follower, p.who) },
	} {
		t.Run(name, func(t *testing.T) {
			p, gone := newPair(t), make(fleeting)
			begun, left := make(chan struct{}, 8), make(chan struct{}, 8)
			wait := func(ctx context.Context) error {
				begun <- struct{}{}
				<-ctx.Done()
				left <- struct{}{}
				return ctx.Err()
			}
			GetStatus.Serve(p.leader, func(ctx context.Context, _ Empty) (StatusReply, error) { return StatusReply{}, wait(ctx) })
			UpdateNode.Serve(p.leader, func(ctx context.Context, _ UpdateNodeRequest) (UpdateNodeReply, error) {
				_ = wait(ctx)
				return UpdateNodeReply{}, wire.Errorf(wire.OutcomeUnknown, "outcome not known")
			})
			Wait.Serve(p.leader, func(ctx context.Context, req WaitRequest, send func(WaitReply) error) error {
				if req.Rev == "" {
					return wait(ctx)
				}
				if err := send(WaitReply{Line: "one"}); err != nil {
					return err
				}
				return wait(ctx)
			})
			Logs.Serve(p.leader, func(ctx context.Context, _ LogsRequest, send func(LogsReply) error) error {
				begun <- struct{}{}
				defer func() { left <- struct{}{} }()
				for line := strings.Repeat("x", 1<<20); ; {
					if err := send(LogsReply{Err: line}); err != nil {
						return err
					}
				}
			})
			Exec.Serve(p.leader, func(ctx context.Context, ends wire.Ends[wire.ExecOutput, ExecInput]) error {
				begun <- struct{}{}
				defer func() { left <- struct{}{} }()
				for {
					if _, err := ends.Receive(); err != nil {
						return err
					}
				}
			})
			addr, _ := p.serve(Guard(over(p), []string{"swarmgit"}, gone))
			client := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			})
			t.Cleanup(client.Close)
			answers := map[string]chan error{}
			ask := func(what string, call func() error) {
				answer := make(chan error, 1)
				answers[what] = answer
				go func() { answer <- call() }()
			}
			follow := func(rev string) error {
				for _, err := range Wait.Call(t.Context(), client, WaitRequest{Rev: rev}) {
					if err != nil {
						return err
					}
				}
				return nil
			}
			ask("a read", func() error {
				_, err := GetStatus.Call(t.Context(), client, Empty{})
				return err
			})
			ask("a stream that says nothing", func() error { return follow("") })
			ask("a stream", func() error { return follow("one") })
			ask("a command", func() error {
				return Exec.Call(t.Context(), client, func(ends wire.Ends[ExecInput, wire.ExecOutput]) error {
					if err := ends.Send(ExecInput{}); err != nil {
						return err
					}
					_, err := ends.Receive()
					return err
				})
			})
			ask("a change", func() error {
				_, err := UpdateNode.Call(t.Context(), client, UpdateNodeRequest{})
				return err
			})
			for range answers {
				await(t, "the requests", begun)
			}
			reads := make(chan struct{})
			unread := make(chan struct{})
			go func() {
				defer close(unread)
				slow := wire.NewJSONClient(func(ctx context.Context) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
				})
				defer slow.Close()
				for range Logs.Call(t.Context(), slow, LogsRequest{}) {
					<-reads
				}
			}()
			await(t, "the one that is not read", begun)
			close(gone)
			for what, answer := range answers {
				err := await(t, "an answer to "+what, answer)
				if what == "a change" {
					if wire.KindOf(err) != wire.OutcomeUnknown {
						t.Errorf("%s: %v", what, err)
					}
					continue
				}
				wantKind(t, err, wire.Unauthenticated, tokenGone.words())
			}
			for range len(answers) + 1 {
				await(t, "the handlers to end", left)
			}
			close(reads)
			await(t, "the reader", unread)
		})
	}
}

// A push that another manager passes on ends with its token, in words, also while its
// client sends nothing.
func TestAPushThatIsPassedOnEndsWithItsToken(t *testing.T) {
	p, gone := newPair(t), make(fleeting)
	begun, left := make(chan struct{}, 1), make(chan struct{}, 1)
	p.leader.HandleFunc("/git/main.git/git-receive-pack", func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // until it ends
		left <- struct{}{}
	})
	addr, _ := p.serve(Guard(Forward(p.follower, p.who), []string{"127.0.0.1"}, gone))
	body, client := io.Pipe()
	defer client.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/git/main.git/git-receive-pack", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", pushRequest)
	answers := make(chan string, 1)
	go func() {
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		answers <- fmt.Sprint(string(text), err)
	}()
	if _, err := io.WriteString(client, "PACK"); err != nil {
		t.Fatal(err)
	}
	await(t, "the push", begun)
	close(gone)
	await(t, "its end at the leader", left)
	if answer := await(t, "the answer", answers); !strings.Contains(answer, "the token was removed or has expired") {
		t.Errorf("it says %q", answer)
	}
}
