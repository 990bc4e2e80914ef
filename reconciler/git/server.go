package git

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
	"github.com/swarmgit/swarmgit/specs"
)

// Path is where the cluster's own remote stands.
const Path = "/git/main.git"

// Server serves a repository to Git clients. Authenticating them is left to who
// mounts it: git's credential helpers answer a 401 that asks for basic
// authentication.
type Server struct {
	Repository *Repository
	Cluster    Cluster
	PackLimit  func() specs.Bytes // asked for each push; nil or 0 is specs.DefaultPackLimit
	Log        *slog.Logger       // nil is slog.Default()
}

// ServeHTTP answers everything under Path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch route, _ := strings.CutPrefix(r.URL.Path, Path); r.Method + " " + route {
	case "GET /info/refs":
		s.advertise(w, r)
	case "POST /git-upload-pack":
		s.uploadPack(w, r)
	case "POST /git-receive-pack":
		s.receivePack(w, r)
	default:
		http.Error(w, "this is the cluster's Git remote: git clone it, or git push to it", http.StatusNotFound)
	}
}

// The cluster follows main: what is pushed there is applied.
const (
	main     = "main"
	followed = "refs/heads/" + main
)

func (s *Server) packLimit() specs.Bytes {
	if s.PackLimit != nil {
		if limit := s.PackLimit(); limit > 0 {
			return limit
		}
	}
	return specs.DefaultPackLimit
}

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

func (s *Server) advertise(w http.ResponseWriter, r *http.Request) {
	service := r.URL.Query().Get("service")
	if err := s.unready(r, service == "git-receive-pack"); err != nil {
		http.Error(w, "swarmgit: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	switch service {
	case "git-receive-pack":
		io.WriteString(w, pktline.Line("# service="+service+"\n")+pktline.Flush+s.refsToPush())
	case "git-upload-pack":
		cmd := s.uploadPackCommand(r, "--advertise-refs")
		head := ""
		if cmd.Env[len(cmd.Env)-1] != "GIT_PROTOCOL=version=2" {
			head = pktline.Line("# service="+service+"\n") + pktline.Flush
		}
		text, err := output(cmd, "")
		if err != nil {
			s.fail(w, r, "advertise refs", err)
			return
		}
		io.WriteString(w, head+text)
	default:
		w.Header().Set("Content-Type", "text/plain")
		http.Error(w, "only smart HTTP is served here: use a current git", http.StatusForbidden)
	}
}

// unready says why no Git is served: the repository lacks commits. What is lost
// may be pushed again.
func (s *Server) unready(r *http.Request, push bool) error {
	if !s.Repository.exists() {
		if err := s.Repository.Sync(r.Context(), s.Cluster.Refs); err != nil {
			s.log().ErrorContext(r.Context(), "the repository was gone", "error", err)
		}
	}
	if missing := s.Repository.awaited(r.Context()); missing != nil && !(push && missing.Lost) {
		return missing
	}
	return nil
}

// lost are the rows whose commits no manager has.
func (s *Server) lost() map[string]string {
	if missing := s.Repository.Missing(); missing != nil && missing.Lost {
		return missing.Refs
	}
	return nil
}

// refsToPush lists the store's rows, not the local refs: a push is made against
// what is true. Lost commits are not listed, so that clients send them.
func (s *Server) refsToPush() string {
	rows := s.Cluster.Refs()
	for ref := range s.lost() {
		delete(rows, ref)
	}
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for i, name := range names {
		line := rows[name] + " " + name
		if i == 0 {
			line += "\x00" + capabilities
		}
		b.WriteString(pktline.Line(line + "\n"))
	}
	if len(names) == 0 {
		b.WriteString(pktline.Line(zeroHash + " capabilities^{}\x00" + capabilities + "\n"))
	}
	return b.String() + pktline.Flush
}

func (s *Server) uploadPack(w http.ResponseWriter, r *http.Request) {
	if err := s.unready(r, false); err != nil {
		http.Error(w, "swarmgit: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	control := http.NewResponseController(w)
	body, err := plainBody(r, control)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := io.ReadAll(io.LimitReader(&meter{in: body, control: control}, maxFetchRequest+1))
	if err != nil || len(request) > maxFetchRequest {
		http.Error(w, fmt.Sprintf("swarmgit: the request did not come whole, or has more than %s", specs.Bytes(maxFetchRequest)), http.StatusBadRequest)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	cmd := s.uploadPackCommand(r)
	cmd.Stdin = bytes.NewReader(request)
	cmd.Stdout = &flushing{w, control}
	if err := cmd.Run(); err != nil && r.Context().Err() == nil {
		s.log().WarnContext(r.Context(), "fetch ended early", "error", err)
	}
}

// maxFetchRequest bounds what a client says it has and wants, in bytes; a thousand
// commits are 50 kB. Git says it all before it hears anything.
const maxFetchRequest = 16 << 20

func (s *Server) uploadPackCommand(r *http.Request, extra ...string) *exec.Cmd {
	args := append([]string{"upload-pack", "--stateless-rpc"}, extra...)
	cmd := exec.CommandContext(r.Context(), "git", append(args, s.Repository.dir)...)
	cmd.Env = Environment()
	if protocol := r.Header.Get("Git-Protocol"); protocol == "version=1" || protocol == "version=2" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	return cmd
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.log().ErrorContext(r.Context(), what, "error", err)
	http.Error(w, "swarmgit: "+what+": see the daemon's log", http.StatusInternalServerError)
}

// plainBody is the request's body without its compression, which git uses for
// long lists of commits. Whoever reads it has stallLimit for it, or sets another
// deadline.
func plainBody(r *http.Request, control *http.ResponseController) (*bufio.Reader, error) {
	control.SetReadDeadline(time.Now().Add(stallLimit))
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" || r.Header.Get("Content-Encoding") == "x-gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("the body is not gzip: %w", err)
		}
		body = unzipped
	}
	return bufio.NewReaderSize(body, 32<<10), nil
}
