package git

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

const (
	// stallLimit is how long a client may take nothing, or send nothing, before
	// it counts as gone.
	stallLimit = 60 * time.Second
	// keepAlive is how often something is said on a silent answer, so that no
	// proxy in between closes it.
	keepAlive = 5 * time.Second
)

// answer is the response to a push: text that the client shows as "remote:"
// lines while it comes, then the report. It is safe for concurrent use. Once
// the client is gone it takes everything and sends nothing.
type answer struct {
	sideband bool

	mu    sync.Mutex // held while writing, so that packets stay whole
	out   *flushing
	gone  bool
	spoke time.Time
}

func newAnswer(w http.ResponseWriter, control *http.ResponseController, sideband bool) *answer {
	control.EnableFullDuplex() // HTTP/2 always is; nothing else serves Git
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	return &answer{out: &flushing{w, control}, sideband: sideband}
}

// Write sends text for people. It never fails.
func (a *answer) Write(text []byte) (int, error) {
	if a.sideband {
		for rest := text; len(rest) > 0; {
			n := min(len(rest), pktline.MaxPayload)
			a.send(pktline.Line("\x02" + string(rest[:n])))
			rest = rest[n:]
		}
	}
	return len(text), nil
}

// report ends the answer.
func (a *answer) report(lines []string) {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(pktline.Line(line + "\n"))
	}
	b.WriteString(pktline.Flush)
	if !a.sideband {
		a.send(b.String())
		return
	}
	for text := b.String(); text != ""; {
		n := min(len(text), pktline.MaxPayload)
		a.send(pktline.Line("\x01" + text[:n]))
		text = text[n:]
	}
	a.send(pktline.Flush)
}

func (a *answer) send(packet string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.spoke = time.Now()
	_, err := io.WriteString(a.out, packet)
	a.gone = err != nil
}

// keepAlive says nothing, every now and then, until done closes.
func (a *answer) keepAlive(done <-chan struct{}) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if a.sideband && a.silent() {
				a.send(pktline.Line("\x02"))
			}
		case <-done:
			return
		}
	}
}

func (a *answer) silent() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.spoke) >= keepAlive
}
