package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/specs"
)

// counts are counted by several at a time.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[string]int)
	}
	c.of[what]++
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.of)
}

// TestViewersPlanInTurn has a viewer ask for very many plans at once, and others for
// some.
func TestViewersPlanInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read, answers counts
		done := make(chan struct{})
		handler := Turns(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			read.add(Asker(r.Context()))
			if AskerViews(r.Context()) {
				<-done
			}
		}))
		ask := func(ctx context.Context, n int, name string, role specs.AccessRole) {
			for range n {
				go func() {
					r := httptest.NewRequestWithContext(ctx, http.MethodPost, string(Plan), strings.NewReader("{}"))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, asking(r, nameOf(specs.AccessToken{Name: name, Role: role})))
					answers.add(fmt.Sprint(w.Code, " ", w.Body))
				}()
			}
			synctest.Wait()
		}
		want := func(of *counts, want map[string]int) {
			t.Helper()
			synctest.Wait()
			if got := of.String(); got != fmt.Sprint(want) {
				t.Errorf("got %s, want %v", got, want)
			}
		}
		ask(t.Context(), 100, "greedy", specs.Viewer)
		ask(t.Context(), 3, "other", specs.Viewer)
		ask(t.Context(), 5, "ops", specs.Admin)
		leaving, leave := context.WithCancel(t.Context())
		ask(leaving, 1, "third", specs.Viewer)
		leave()
		want(&read, map[string]int{"viewer's token greedy": 2, "viewer's token other": 2, "token ops": 5})
		const (
			good = "200 "
			gone = `499 {"code":"canceled","message":"context canceled"}`
			most = `429 {"code":"resource_exhausted","message":"plan: 2 plans of the viewer's token greedy are made and 16 wait already, which is the most: ask again when they are answered"}`
			late = `429 {"code":"resource_exhausted","message":"plan: other plans are made, 4 at a time, 2 of one token, and it was not this one's turn for 30s: ask again in a moment"}`
		)
		want(&answers, map[string]int{good: 5, gone: 1, most: 82})
		done <- struct{}{}
		done <- struct{}{}
		want(&answers, map[string]int{good: 7, gone: 1, most: 82}) // and two more have begun
		time.Sleep(turnPatience)
		want(&answers, map[string]int{good: 7, gone: 1, most: 82, late: 15})
		close(done)
		want(&answers, map[string]int{good: 11, gone: 1, most: 82, late: 15})
		ask(t.Context(), 2, "greedy", specs.Viewer)
		want(&answers, map[string]int{good: 13, gone: 1, most: 82, late: 15})
	})
}

// TestAdminsPlanInTurn has an admin ask for very many plans at once. Others who are no
// viewers still get theirs, whatever viewers do.
func TestAdminsPlanInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var making, answers counts
		done := make(chan struct{})
		handler := Turns(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			making.add(Asker(r.Context()))
			<-done
		}))
		ask := func(n int, name string) {
			for range n {
				go func() {
					r := httptest.NewRequest(http.MethodPost, string(Plan), strings.NewReader("{}"))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, asking(r, name))
					answers.add(fmt.Sprint(w.Code, " ", w.Body))
				}()
			}
			synctest.Wait()
		}
		ask(4, "viewer's token a")
		ask(4, "viewer's token b")
		ask(100, "token ci")
		ask(3, "") // the daemon's own socket
		if got, want := making.String(), fmt.Sprint(map[string]int{"": 2, "token ci": 2, "viewer's token a": 2, "viewer's token b": 2}); got != want {
			t.Errorf("plans are made of %s, want %s", got, want)
		}
		const most = `429 {"code":"resource_exhausted","message":"plan: 2 plans of the token ci are made and 64 wait already, which is the most: ask again when they are answered"}`
		if got, want := answers.String(), fmt.Sprint(map[string]int{most: 34}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		close(done)
		synctest.Wait()
		if got, want := answers.String(), fmt.Sprint(map[string]int{"200 ": 77, most: 34}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// Plans that wait at the leader hold up nobody whose requests come from the same
// manager, however large they are.
func TestPlansThatWaitHoldUpNobody(t *testing.T) {
	p := newPair(t)
	turn, reading := make(chan struct{}), make(chan struct{}, plansOfOne)
	leader := http.NewServeMux()
	Plan.Serve(leader, func(ctx context.Context, _ PlanRequest) (PlanReply, error) {
		if AskerViews(ctx) {
			reading <- struct{}{}
			select {
			case <-turn:
			case <-ctx.Done(): // the test has failed
			}
		}
		return PlanReply{Plan: planner.Plan{Verdict: planner.Safe}}, nil
	})
	UpdateNode.Serve(leader, func(context.Context, UpdateNodeRequest) (UpdateNodeReply, error) { return UpdateNodeReply{}, nil })
	var come atomic.Int32
	turns := Turns(leader)
	waits := make(chan struct{}, 8)
	p.leader.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if come.Add(1) <= 6 {
			waits <- struct{}{}
		}
		turns.ServeHTTP(w, r)
	})
	addr, _ := p.serve(Guard(Forward(p.follower, p.who), []string{"127.0.0.1"}, known(func(token string) specs.AccessToken {
		return specs.AccessToken{Name: "ci", Role: specs.AccessRole(token)}
	})))
	tree := `{"tree":"` + strings.Repeat("AAAA", 1<<20) + `"}` // more than fits into every window on the way
	patient, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ask := func(role specs.AccessRole, path, body string) (int, string) {
		r, err := http.NewRequestWithContext(patient, http.MethodPost, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+string(role))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		return response.StatusCode, string(text)
	}
	var viewers sync.WaitGroup
	for range 6 {
		viewers.Go(func() {
			if status, text := ask(specs.Viewer, string(Plan), tree); status != http.StatusOK {
				t.Errorf("a viewer's plan: status %d: %s", status, text)
			}
		})
	}
	for range 6 {
		await(t, "the viewer's plans", waits)
	}
	for range plansOfOne {
		await(t, "those whose turn it is", reading)
	}
	if status, text := ask(specs.Admin, string(Plan), tree); status != http.StatusOK {
		t.Errorf("an admin's plan: status %d: %s", status, text)
	}
	large := `{"name":"n2","label_add":{"long":"` + strings.Repeat("x", 4<<20) + `"}}`
	if status, text := ask(specs.Admin, string(UpdateNode), large); status != http.StatusOK {
		t.Errorf("an admin's change: status %d: %s", status, text)
	}
	close(turn)
	go func() {
		for range reading {
		}
	}()
	viewers.Wait()
	close(reading)
}

// What else a viewer asks is small, or is not read.
func TestAViewersOtherRequestsAreSmall(t *testing.T) {
	mux := http.NewServeMux()
	prod(t).server().Register(mux)
	text := fmt.Sprintf(`{"name":"shop/web","none":%q}`, strings.Repeat("x", 4<<20))
	for _, c := range []struct {
		role   specs.AccessRole
		length int64
		want   int
	}{{specs.Viewer, int64(len(text)), http.StatusTooManyRequests}, {specs.Viewer, -1, http.StatusTooManyRequests}, {specs.Admin, -1, http.StatusOK}} {
		body := strings.NewReader(text)
		r := httptest.NewRequest(http.MethodPost, string(InspectService), body)
		r.ContentLength = c.length
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		Turns(mux).ServeHTTP(w, asking(r, nameOf(specs.AccessToken{Name: "ci", Role: c.role})))
		if w.Code != c.want {
			t.Errorf("%s: status %d: %s", c.role, w.Code, w.Body)
		}
		if read := len(text) - body.Len(); c.role == specs.Viewer && read > 2*viewerMessage {
			t.Errorf("%d bytes were read", read)
		}
	}
}
