package outside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
	"github.com/swarmgit/swarmgit/specs"
)

// Remote is a branch of a repository elsewhere. It holds nothing open between
// two calls.
type Remote struct {
	URL        string // as Normalize made it
	Branch     string
	Credential specs.Credential
}

const (
	// tipLimit is how long a server may take to say where its branches are.
	tipLimit = 30 * time.Second
	// maxRefs bounds what it says there, in bytes: a million refs are 80 MB.
	maxRefs = 100 << 20
)

// ErrMoved says that the wanted commit is no branch's any more: look again.
var ErrMoved = errors.New("the repository moved while it was read: it is looked at again")

// conversation is one run of `git upload-pack`.
type conversation interface {
	// Read reads what it says, first its refs.
	io.Reader
	// ask sends the request; what is read afterwards is the answer.
	ask(request string) error
	// explain says of an error while reading what is behind it.
	explain(err error) error
	io.Closer
}

// Tip is the commit that the branch is at. Errors are words for people.
func (r Remote) Tip(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tipLimit, fmt.Errorf("it did not answer within %v", tipLimit))
	defer cancel()
	talk, seen, err := r.greet(ctx)
	if err != nil {
		return "", err
	}
	defer talk.Close()
	return seen.tip(r.Branch)
}

// Fetch asks for a pack of what the commit needs beyond those of have, which
// must be whole where the pack goes. Reading it ends with ctx. It is ErrMoved
// when the branch is not at the commit any more. The caller closes the pack.
func (r Remote) Fetch(ctx context.Context, want string, have []string) (io.ReadCloser, error) {
	talk, seen, err := r.greet(ctx)
	if err != nil {
		return nil, err
	}
	p, err := seen.fetch(ctx, talk, want, have)
	if err != nil {
		_ = talk.Close() // which has failed already
		return nil, err
	}
	return p, nil
}

// greet begins a conversation and reads the refs.
func (r Remote) greet(ctx context.Context) (conversation, refs, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, refs{}, err
	}
	var talk conversation
	switch u.Scheme {
	case "ssh":
		talk, err = dialSSH(ctx, u, r.Credential)
	case "file":
		talk, err = runHere(ctx, u.Path)
	default:
		talk, err = overHTTP(ctx, u, r.Credential)
	}
	if err != nil {
		return nil, refs{}, inWords(ctx, err)
	}
	seen, err := readRefs(bufio.NewReader(&atMost{talk, maxRefs}))
	if err != nil {
		err = talk.explain(err)
		_ = talk.Close() // which has failed already
		return nil, refs{}, inWords(ctx, err)
	}
	return talk, seen, nil
}

// inWords prefers why ctx ended to how that showed.
func inWords(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// refs is what a repository says of itself.
type refs struct {
	commits      map[string]string // by full name
	capabilities []string
}

// readRefs reads up to the flush that ends the refs. An empty repository says
// but its capabilities, or nothing.
func readRefs(in *bufio.Reader) (refs, error) {
	seen := refs{commits: map[string]string{}}
	for first := true; ; {
		line, more, err := pktline.Read(in)
		switch {
		case err != nil && first:
			return refs{}, fmt.Errorf("no Git repository answers there: %w", err)
		case err != nil:
			return refs{}, fmt.Errorf("read its branches: %w", err)
		case !more:
			return seen, nil
		}
		if said, ok := strings.CutPrefix(line, "ERR "); ok {
			return refs{}, fmt.Errorf("it says: %s", printable(said))
		}
		if first {
			var capabilities string
			line, capabilities, _ = strings.Cut(line, "\x00")
			seen.capabilities, first = strings.Fields(capabilities), false
		}
		hash, name, ok := strings.Cut(line, " ")
		if !ok || len(hash) != 40 && len(hash) != 64 {
			return refs{}, fmt.Errorf("no Git repository answers there: it said %.40q", line)
		}
		if len(hash) == 64 {
			return refs{}, errors.New("it keeps its objects by SHA-256, which is not understood: use a repository with SHA-1")
		}
		seen.commits[name] = hash
	}
}

const heads = "refs/heads/"

// tip finds a branch, or says which there are.
func (s refs) tip(branch string) (string, error) {
	if commit, ok := s.commits[heads+branch]; ok {
		return commit, nil
	}
	var others []string
	for name := range s.commits {
		if other, ok := strings.CutPrefix(name, heads); ok {
			others = append(others, printable(other))
		}
	}
	if len(others) == 0 {
		return "", errors.New("the repository is empty: push a commit to it")
	}
	slices.Sort(others)
	const shown = 5
	text := strings.Join(others[:min(len(others), shown)], ", ")
	if len(others) > shown {
		text += fmt.Sprintf(" and %d more", len(others)-shown)
	}
	return "", fmt.Errorf("it has no branch %s: there is %s", branch, text)
}

func (s refs) can(capability string) bool { return slices.Contains(s.capabilities, capability) }

// fetch asks for a pack in the conversation that said the refs.
func (s refs) fetch(ctx context.Context, talk conversation, want string, have []string) (io.ReadCloser, error) {
	advertised := false
	for _, commit := range s.commits {
		advertised = advertised || commit == want
	}
	if !advertised {
		return nil, ErrMoved
	}
	if err := talk.ask(s.request(want, have)); err != nil {
		return nil, inWords(ctx, talk.explain(err))
	}
	// Nothing is lost in the buffer of the refs' reader: upload-pack says nothing
	// more before it was asked.
	in := bufio.NewReaderSize(talk, pktline.MaxPayload+5)
	line, _, err := pktline.Read(in)
	switch {
	case err != nil:
		return nil, inWords(ctx, talk.explain(fmt.Errorf("ask for commit %s: %w", git.Short(want), err)))
	case strings.Contains(line, "not our ref"):
		return nil, ErrMoved
	case line != "NAK" && !strings.HasPrefix(line, "ACK "):
		return nil, fmt.Errorf("ask for commit %s: it says: %s", git.Short(want), printable(strings.TrimPrefix(line, "ERR ")))
	}
	return &pack{ctx: ctx, talk: talk, in: in, banded: s.can("side-band-64k")}, nil
}

func (s refs) request(want string, have []string) string {
	capabilities := ""
	for _, c := range []string{"side-band-64k", "ofs-delta", "thin-pack", "no-progress"} {
		if s.can(c) {
			capabilities += " " + c
		}
	}
	text := pktline.Line("want "+want+capabilities+" agent=swarmgit\n") + pktline.Flush
	for _, commit := range have {
		text += pktline.Line("have " + commit + "\n")
	}
	return text + pktline.Line("done\n")
}

// pack reads a pack, out of the first side band if there are bands.
type pack struct {
	ctx    context.Context
	talk   conversation
	in     *bufio.Reader
	banded bool
	rest   []byte
}

const (
	bandPack     = 1
	bandProgress = 2
)

func (p *pack) Read(b []byte) (int, error) {
	if !p.banded {
		n, err := p.in.Read(b)
		if err != nil && err != io.EOF {
			err = inWords(p.ctx, p.talk.explain(err))
		}
		return n, err
	}
	for len(p.rest) == 0 {
		line, more, err := pktline.ReadBytes(p.in)
		switch {
		case err != nil:
			return 0, inWords(p.ctx, p.talk.explain(fmt.Errorf("the connection was lost: %w", err)))
		case !more:
			return 0, io.EOF
		case len(line) == 0 || line[0] == bandProgress:
		case line[0] == bandPack:
			p.rest = line[1:]
		default:
			return 0, fmt.Errorf("it says: %s", printable(string(line[1:])))
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Close ends the conversation, wherever it is.
func (p *pack) Close() error { return p.talk.Close() }

// atMost fails where a limit would be passed, in words.
type atMost struct {
	io.Reader
	left int64
}

func (a *atMost) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, fmt.Errorf("it has more branches and tags than are read, over %d MB of names", maxRefs>>20)
	}
	n, err := a.Reader.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	return n, err
}
