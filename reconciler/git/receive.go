package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

const (
	// commitLimit is how long a commit may take before its outcome counts as
	// unknown, beside what it may take to replicate the objects: a leader that is
	// alive needs milliseconds.
	commitLimit = 10 * time.Second
	// slotLimit is how long a push waits for others to finish coming in.
	slotLimit = 30 * time.Second
	// drainFactor times the pack limit is what is read of a push that is refused
	// already, because a client hears the answer only after it has sent all.
	drainFactor = 8
	// maxComplaint is how many bytes are kept of what git says on stderr.
	maxComplaint = 16 << 10
)

// receive is one push while it comes in.
type receive struct {
	*Server
	request *request
	answer  *answer
	push    Push
	pack    *meter

	checked   Checked
	refused   error // why it was refused, once it was
	committed bool  // the row has moved
}

func (s *Server) receivePack(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	body, err := plainBody(r, control)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := readRequest(body)
	if err != nil {
		http.Error(w, "swarmgit: "+err.Error(), http.StatusBadRequest)
		return
	}
	control.SetReadDeadline(time.Time{})
	rc := &receive{Server: s, request: q, answer: newAnswer(w, control, q.can("side-band-64k"))}
	limit := int64(s.packLimit())
	defer readOut(r.Body, control, drainFactor*limit)
	if len(q.commands) == 0 {
		return // a client that tries its credentials before a large push
	}
	rc.pack = &meter{in: body, control: control, limit: limit}
	done := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() { rc.answer.keepAlive(done) })
	rc.serve(r.Context())
	close(done)
	alive.Wait()
}

func (rc *receive) serve(ctx context.Context) {
	lost := rc.lost()
	rc.push, rc.refused = judge(rc.request, rc.Cluster.Refs(), lost)
	if missing := rc.Repository.Missing(); rc.refused == nil && missing != nil && !missing.Lost {
		rc.refused = refuse("objects are missing", "%s", Wrap(missing.Error(), ""))
	}
	if rc.refused == nil {
		rc.takeIn(ctx)
		rc.refused = endedEarly(ctx, rc.refused)
	} else {
		rc.pack.drain()
	}
	if rc.refused != nil {
		rc.sayRefused()
	} else {
		rc.sayCommitted()
		rc.follow(ctx)
	}
	rc.answer.report(rc.report())
}

// takeIn holds a slot from the pack to the commit.
func (rc *receive) takeIn(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, slotLimit)
	defer cancel()
	if err := rc.Repository.acquire(wait); err != nil {
		rc.refused = refuse("busy", "Other pushes are still coming in. Nothing is wrong: git push again.")
		rc.pack.drain()
		return
	}
	defer rc.Repository.release()
	said, err := rc.runGit(ctx)
	rc.settle(ctx, said, err)
}

// settle compares what git says with what the cluster decided. Once the row has
// moved the answer is ok; the local ref follows the row.
func (rc *receive) settle(ctx context.Context, said verdict, err error) {
	r, _ := rc.refused.(*refusal)
	switch {
	case rc.committed && said.ok && rc.Repository.Missing() == nil:
	case rc.committed && said.ok:
		_ = rc.Repository.Sync(context.WithoutCancel(ctx), rc.Cluster.Refs) // it says what is still missing to who asks
	case rc.committed || r != nil && r.unknown:
		rc.log().WarnContext(ctx, "local refs may differ from the store's", "ref", rc.push.Ref, "git", said.why)
		if err := rc.Repository.Sync(context.WithoutCancel(ctx), rc.Cluster.Refs); err != nil {
			rc.log().ErrorContext(ctx, "local refs differ from the store's", "error", err)
		}
	case rc.refused != nil:
	case rc.pack.over():
		rc.refused = overLimit(rc.pack.limit)
	case err != nil || !said.ok:
		rc.log().InfoContext(ctx, "push refused by git", "ref", rc.push.Ref, "reason", said.why, "error", err)
		rc.refused = said.refusal()
	default:
		rc.log().ErrorContext(ctx, "git moved a ref that was not committed", "ref", rc.push.Ref)
		rc.refused = refuse("internal error", "The push was not committed: see the daemon's log.")
	}
}

// runGit feeds receive-pack and answers its hooks. It returns when receive-pack
// has ended and the client has sent all it will.
func (rc *receive) runGit(ctx context.Context) (verdict, error) {
	asks, askEnd, err := os.Pipe()
	if err != nil {
		return verdict{}, err
	}
	defer asks.Close()
	tellEnd, tells, err := os.Pipe()
	if err != nil {
		askEnd.Close()
		return verdict{}, err
	}
	defer tells.Close()

	cmd := exec.Command("git", "-c", fmt.Sprintf("receive.maxInputSize=%d", rc.pack.limit),
		"receive-pack", "--stateless-rpc", rc.Repository.dir)
	var report bytes.Buffer
	complaint := &head{limit: maxComplaint}
	cmd.Env, cmd.Stdout, cmd.Stderr = Environment(), &report, complaint
	cmd.ExtraFiles = []*os.File{askEnd, tellEnd} // descriptors 3 and 4 of the hooks
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	askEnd.Close()
	tellEnd.Close()
	if err != nil {
		return verdict{}, err
	}
	var feeding sync.WaitGroup
	feeding.Go(func() { rc.feed(ctx, in) })
	rc.converse(ctx, asks, tells)
	err = cmd.Wait()
	feeding.Wait()
	return parseReport(&report, complaint.String()), err
}

// feed gives git the request and the pack until ctx ends, then reads what the
// client still sends.
func (rc *receive) feed(ctx context.Context, git io.WriteCloser) {
	defer context.AfterFunc(ctx, func() { git.Close() })()
	_, err := io.WriteString(git, rc.request.head())
	if err == nil && rc.request.packed() {
		io.Copy(git, rc.pack) // git itself says what it lacks
	}
	git.Close()
	rc.pack.drain()
}

// converse answers the hooks until the last process that could ask has ended.
func (rc *receive) converse(ctx context.Context, asks io.Reader, tells io.Writer) {
	lines := bufio.NewScanner(asks)
	for lines.Scan() {
		hook, quarantine, _ := strings.Cut(lines.Text(), " ")
		switch hook {
		case "pre-receive":
			io.WriteString(tells, rc.preReceive(ctx, quarantine)+"\n")
		case "proc-receive":
			io.WriteString(tells, rc.procReceive(ctx)+"\n")
		}
	}
}

// preReceive is the hook's exit status.
func (rc *receive) preReceive(ctx context.Context, quarantine string) string {
	if rc.refused = rc.check(ctx, quarantine); rc.refused != nil {
		return "1"
	}
	return "0"
}

func (rc *receive) check(ctx context.Context, quarantine string) error {
	if rc.push.New != "" {
		read := rc.Repository.quarantined(quarantine)
		defer read.close()
		if err := rc.look(ctx, read); err != nil {
			return err
		}
	}
	var err error
	rc.checked, err = rc.Cluster.Check(ctx, rc.push, rc.answer)
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// look reads the commit that was pushed.
func (rc *receive) look(ctx context.Context, read *objects) error {
	var err error
	rc.push.Commit, err = read.commit(ctx, rc.push.New)
	if err == nil && rc.push.Commit.Hash != rc.push.New || errors.Is(err, errMissing) {
		return refuse("not a commit", "A branch points at a commit; %s is none.\nPush what it points at: git push swarm 'NAME^{commit}:%s'",
			Short(rc.push.New), rc.push.Branch())
	}
	if err != nil {
		return err
	}
	rc.sayTitle()
	if rc.push.Old != "" {
		if rc.push.Forced, err = rc.forced(ctx, read); err != nil {
			return err
		}
		if rc.push.Forced && rc.push.Followed {
			return rc.backward()
		}
	}
	rc.push.Files = newTree(ctx, read, rc.push.Commit.Tree)
	return nil
}

// forced reports that the new commit does not descend from the old. Most pushes
// are told by the parents alone; the others cost a process.
func (rc *receive) forced(ctx context.Context, read *objects) (bool, error) {
	for _, parent := range rc.push.Commit.Parents {
		if parent == rc.push.Old {
			return false, nil
		}
	}
	if _, err := read.commit(ctx, rc.push.Old); errors.Is(err, errMissing) {
		return true, nil // it was lost, and this push does not bring it
	}
	descends, err := rc.Repository.descends(ctx, read.env, rc.push.New, rc.push.Old)
	return !descends && err == nil, err
}

func (rc *receive) backward() error {
	if rc.lost()[rc.push.Ref] == rc.push.Old {
		return notBrought(rc.push)
	}
	return notForward(rc.push)
}

// procReceive is the hook's report. The quarantine has been migrated: what Git
// has is in the repository, and on disk once its folder is.
func (rc *receive) procReceive(ctx context.Context) string {
	if rc.checked == nil {
		return ng(rc.push.Ref, "not checked")
	}
	if err := rc.commit(ctx); err != nil {
		rc.refused = err
		return ng(rc.push.Ref, err.Error())
	}
	rc.committed = true
	return pktline.Line("ok "+rc.push.Ref) + pktline.Line("option fall-through") + pktline.Flush
}

func ng(ref, why string) string {
	return pktline.Line("ng "+ref+" "+Printable(why)) + pktline.Flush
}

func (rc *receive) commit(ctx context.Context) error {
	if err := rc.Repository.syncPacks(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replicateLimit+commitLimit)
	defer cancel()
	err := rc.checked.Commit(ctx)
	var few *ReplicationError
	switch {
	case errors.As(err, &few):
		return few.refusal()
	case errors.Is(err, ErrConflict):
		return moved(rc.push.Ref, rc.Cluster.Refs()[rc.push.Ref])
	case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, context.DeadlineExceeded):
		rc.log().WarnContext(ctx, "outcome of a push not known", "ref", rc.push.Ref, "commit", rc.push.New, "error", err)
		return unknownOutcome(rc.push)
	}
	return err
}

func (rc *receive) follow(ctx context.Context) {
	if !rc.push.Followed || rc.push.Again() || rc.push.Has(OptionNoWait) || ctx.Err() != nil {
		return
	}
	err := rc.checked.Follow(ctx, rc.answer)
	if err != nil && ctx.Err() == nil {
		rc.log().WarnContext(ctx, "watching a rollout ended early", "commit", rc.push.New, "error", err)
		io.WriteString(rc.answer, Wrap("not watched any more: "+err.Error()+": see swarmgit status", "  "))
	}
}
