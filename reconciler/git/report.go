package git

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

// verdict is what receive-pack reports of the one ref.
type verdict struct {
	ok        bool
	why       string
	complaint string // what git said on stderr
}

// parseReport reads "unpack ok", then "ok <ref>" or "ng <ref> <why>".
func parseReport(report io.Reader, complaint string) verdict {
	said := verdict{complaint: complaint, why: "git ended without a report"}
	in := bufio.NewReader(report)
	for {
		line, more, err := pktline.Read(in)
		if err != nil || !more {
			return said
		}
		key, rest, _ := strings.Cut(line, " ")
		switch {
		case key == "unpack" && rest != "ok":
			said.why = rest
			return said
		case key == "ok":
			said.ok, said.why = true, ""
		case key == "ng":
			_, said.why, _ = strings.Cut(rest, " ")
		}
	}
}

// refusal puts what git objects to into words.
func (v verdict) refusal() *refusal {
	if v.why == "shallow update not allowed" {
		return refuse("shallow clone", "Your clone lacks history that the cluster lacks too.\n"+
			"Fetch it, then push again: git fetch --unshallow")
	}
	var help strings.Builder
	help.WriteString("Git does not take these objects:\n")
	for line := range strings.Lines(v.complaint) {
		help.WriteString(Wrap("  "+Printable(strings.TrimSpace(line)), "    "))
	}
	return &refusal{why: Printable(v.why), help: strings.TrimSpace(help.String())}
}

func (rc *receive) report() []string {
	lines := []string{"unpack ok"}
	for _, c := range rc.request.commands {
		if rc.refused != nil {
			lines = append(lines, fmt.Sprintf("ng %s swarmgit: %s", c.ref, Printable(rc.refused.Error())))
		} else {
			lines = append(lines, "ok "+c.ref)
		}
	}
	return lines
}

func (rc *receive) say(format string, args ...any) { fmt.Fprintf(rc.answer, format, args...) }

func (rc *receive) sayTitle() {
	title := "swarmgit: " + rc.push.Commit.Short() + ` "`
	rc.say("%s%s\"\n", title, shorten(rc.push.Commit.Subject, Width-len(title)-1))
}

func (rc *receive) sayCommitted() {
	committed := "committed"
	if copies := rc.checked.Copies(); copies.Managers > 0 {
		committed += " (" + copies.String() + ")"
	}
	switch {
	case rc.push.Again():
		rc.say("\n%s is %s as before, and can be read again\n", rc.push.Branch(), Short(rc.push.New))
	case rc.push.New == "":
		rc.say("%s is deleted; no stack came from it\n", rc.push.Branch())
	case !rc.push.Followed:
		rc.say("not applied: the cluster follows %s\napply it: git push swarm HEAD:%s\n", main, main)
	case rc.push.Has(OptionNoWait):
		rc.say("\n%s is %s, %s\nnot watched: swarmgit wait %s\n", main, Short(rc.push.New), committed, Short(rc.push.New))
	default:
		rc.say("\n%s is %s, %s\n\n", main, Short(rc.push.New), committed)
	}
}

func (rc *receive) sayRefused() {
	if r, ok := rc.refused.(*refusal); ok {
		rc.say("%s\n", r.help)
		if r.unknown {
			return
		}
	}
	rc.say("\n%s", Wrap("refused: "+Printable(rc.refused.Error())+". "+rc.unchanged(), "  "))
}

func (rc *receive) unchanged() string {
	if at := rc.Cluster.Refs()[followed]; at != "" {
		return "The cluster stays at " + Short(at) + "."
	}
	return "The cluster stays empty."
}
