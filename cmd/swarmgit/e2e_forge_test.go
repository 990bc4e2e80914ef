package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// forge stands in for GitHub or Gitea as far as the example of a pull request
// asks it, and complains of what either would not take.
type forge struct {
	*httptest.Server
	t        *testing.T
	token    string
	author   string // whom the token writes as
	pageSize int    // comments of a page; 0 lists all at once, as Gitea does

	mu        sync.Mutex
	comments  []forgeComment
	statuses  []forgeStatus
	refusal   string // of the next call, in words
	calls     []string
	elsewhere string // where the next page is said to be; empty: here
}

type forgeComment struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
}

type forgeStatus struct {
	Commit      string `json:"-"`
	State       string `json:"state"`
	Context     string `json:"context"`
	Description string `json:"description"`
}

func newForge(t *testing.T, author string, pageSize int) *forge {
	f := &forge{t: t, token: "forge-token-4711", author: author, pageSize: pageSize}
	mux := http.NewServeMux()
	const issue = "/api/repos/acme/shop/issues/7/comments"
	mux.HandleFunc("GET "+issue, f.list)
	mux.HandleFunc("POST "+issue, f.create)
	mux.HandleFunc("PATCH /api/repos/acme/shop/issues/comments/{id}", f.change)
	mux.HandleFunc("POST /api/repos/acme/shop/statuses/{commit}", f.status)
	f.Server = httptest.NewServer(f.guard(mux))
	t.Cleanup(f.Close)
	return f
}

// guard answers who has no token, and whatever is to be refused.
func (f *forge) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls = append(f.calls, r.Method+" "+r.URL.Path)
		switch {
		case r.Header.Get("Authorization") != "token "+f.token:
			f.answer(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials"})
		case f.refusal != "":
			f.answer(w, http.StatusForbidden, map[string]string{"message": f.refusal})
			f.refusal = ""
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (f *forge) answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		f.t.Error(err)
	}
}

func (f *forge) list(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	page = max(page, 1)
	shown := f.comments
	if f.pageSize > 0 {
		from := min((page-1)*f.pageSize, len(shown))
		to := min(from+f.pageSize, len(shown))
		if to < len(shown) {
			base := f.URL
			if f.elsewhere != "" {
				base = f.elsewhere
			}
			w.Header().Set("Link", fmt.Sprintf(`<%[1]s%[2]s?page=1>; rel="first", <%[1]s%[2]s?page=%[3]d>; rel="next", <%[1]s%[2]s?page=99>; rel="last"`, base, r.URL.Path, page+1))
		}
		shown = shown[from:to]
	}
	f.answer(w, http.StatusOK, append([]forgeComment{}, shown...))
}

func (f *forge) create(w http.ResponseWriter, r *http.Request) {
	body, ok := f.body(w, r)
	if ok {
		f.answer(w, http.StatusCreated, f.add(f.author, body))
	}
}

// add is a comment of somebody's.
func (f *forge) add(author, body string) forgeComment {
	c := forgeComment{ID: 100 + len(f.comments), Body: body}
	c.User.Login = author
	f.comments = append(f.comments, c)
	return c
}

func (f *forge) change(w http.ResponseWriter, r *http.Request) {
	body, ok := f.body(w, r)
	if !ok {
		return
	}
	for i, c := range f.comments {
		if strconv.Itoa(c.ID) == r.PathValue("id") {
			f.comments[i].Body = body
			f.answer(w, http.StatusOK, f.comments[i])
			return
		}
	}
	f.answer(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
}

// body is the comment that a request brings. Forges take 65,536 characters.
func (f *forge) body(w http.ResponseWriter, r *http.Request) (string, bool) {
	var sent struct{ Body string }
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || sent.Body == "" || len(sent.Body) > 65536 {
		f.answer(w, http.StatusUnprocessableEntity, map[string]string{"message": fmt.Sprintf("a body of %d bytes: %v", len(sent.Body), err)})
		return "", false
	}
	return sent.Body, true
}

func (f *forge) status(w http.ResponseWriter, r *http.Request) {
	s := forgeStatus{Commit: r.PathValue("commit")}
	err := json.NewDecoder(r.Body).Decode(&s)
	if err != nil || !strings.Contains(" success failure error ", " "+s.State+" ") || s.Context == "" || len([]rune(s.Description)) > 140 {
		f.answer(w, http.StatusUnprocessableEntity, map[string]string{"message": fmt.Sprintf("status %+v: %v", s, err)})
		return
	}
	f.statuses = append(f.statuses, s)
	f.answer(w, http.StatusCreated, s)
}

// last is the newest status.
func (f *forge) last() forgeStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.statuses) == 0 {
		return forgeStatus{}
	}
	return f.statuses[len(f.statuses)-1]
}

// by are the comments of an author.
func (f *forge) by(author string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var bodies []string
	for _, c := range f.comments {
		if c.User.Login == author {
			bodies = append(bodies, c.Body)
		}
	}
	return bodies
}

// called forgets the calls so far and returns them.
func (f *forge) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := strings.Join(f.calls, "\n")
	f.calls = nil
	return calls
}
