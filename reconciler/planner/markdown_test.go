package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

func TestMarkdownScreens(t *testing.T) {
	inStack := func(p Plan) Plan {
		p.Cluster, p.Services = "prod", slices.Clone(p.Services)
		for i, e := range p.Services {
			p.Services[i].Stack, _, _ = strings.Cut(e.Service, "_")
		}
		return p
	}
	for _, name := range []string{"tree", "nothing", "paused", "refused", "invalid"} {
		golden(t, name+".md", inStack(screens[name].plan).Markdown())
	}
}

// What users write where a plan shows it: all of it tries to be markup, to end
// what it stands in, or to call somebody.
var hostile = []string{
	"@everyone", "<img src=x onerror=alert(1)>", "</details>", "</code>", "</pre><script>", "```", "`````` ~~~", "\n```\n# gone\n",
	"\r\n```\r\n", "-->", "<!-- swarmgit-plan: prod -->", "[x](http://evil.example)", "![](http://evil.example/pixel)",
	"http://evil.example", "www.evil.example", "*a* _b_ ~c~", "| a | b |", "#12", "org/repo#3", "&lt;b&gt;", "\\`", "\x1b[31m", "\u202e", "\xff",
}

func TestNothingThatUsersWriteIsMarkup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(what string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 1, 4).Draw(t, what), " ")
		}
		problem := func() specs.Problem {
			return specs.Problem{Position: specs.Position{File: text("file"), Line: 1}, Path: text("path"), Message: text("message")}
		}
		p := Plan{
			Cluster: text("cluster"), Title: text("title"), Verdict: NeedsAttention,
			Services: []Entry{{
				Service: text("service"), Stack: text("stack"), Action: Rolling, Resumes: text("resumes"),
				Fields:   []Field{{Name: text("name"), Old: text("old"), New: text("new"), At: specs.Position{File: text("at"), Line: 2}}},
				Expected: []Placement{{Slot: 1, Node: text("node")}}, Pending: []Waiting{{Slots: []uint64{1}, Reason: text("reason")}},
			}},
			Paused:   []Standstill{{Service: text("paused"), Reason: text("why")}},
			Refusals: []specs.Problem{problem()}, Warnings: []specs.Problem{problem()},
		}
		wantInert(t, p.Markdown())
	})
}

// wantInert renders Markdown as Gitea does, and looks at every element and at all
// text outside of code.
func wantInert(t *rapid.T, text string) {
	var page bytes.Buffer
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := markdown.Convert([]byte(text), &page); err != nil {
		t.Fatal(err)
	}
	root, err := nethtml.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{"html", "head", "body", "h3", "p", "br", "strong", "b", "code", "pre", "details", "summary"}
	folded, comments := 0, 0
	var walk func(*nethtml.Node, bool)
	walk = func(n *nethtml.Node, inCode bool) {
		switch {
		case n.Type == nethtml.ElementNode:
			if n.Data == "details" {
				folded++
			}
			if !slices.Contains(ours, n.Data) {
				t.Fatalf("a user made <%s>:\n%s", n.Data, text)
			}
		case n.Type == nethtml.CommentNode:
			comments++
		case n.Type == nethtml.TextNode && !inCode && strings.ContainsAny(n.Data, "@#|<>`"),
			n.Type == nethtml.TextNode && !inCode && strings.Contains(n.Data, "evil"):
			t.Fatalf("outside of code: %q in\n%s", n.Data, text)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, inCode || n.Data == "code")
		}
	}
	walk(root, false)
	if folded != 1 || comments != 1 || !strings.HasPrefix(text, "<!-- swarmgit-plan: ") {
		t.Fatalf("%d elements are folded, %d comments:\n%s", folded, comments, text)
	}
}

// However large a plan is, it fits, and says what is missing.
func TestMarkdownFits(t *testing.T) {
	p := Plan{Cluster: "prod", Title: "over 7bd31c2", Verdict: NeedsAttention}
	for i := range 900 {
		stack := fmt.Sprintf("stack%03d", i)
		p.Services = append(p.Services, Entry{
			Service: stack + "_web", Stack: stack, Action: Rolling, Totals: Totals{Restart: 3}, Wanted: 3,
			Fields: []Field{{Name: "image", Old: strings.Repeat("a", 300), New: strings.Repeat("ü", 300), Restarts: true}},
		})
		p.Warnings = append(p.Warnings, specs.Problem{Position: at(i), Message: strings.Repeat("long ", 20)})
	}
	p.Services[3].Fields = slices.Repeat(p.Services[3].Fields, 500)
	text := p.Markdown()
	if len(text) > markdownLimit || !utf8.ValidString(text) {
		t.Errorf("%d bytes", len(text))
	}
	if len(text) < markdownLimit*9/10 {
		t.Errorf("only %d bytes are used, and yet it is cut", len(text))
	}
	for _, want := range []string{"Not shown, there is no room: the stacks <code>stack", "more. See all of it", "... ", " more lines\n```", "stacks/shop/stack.yml:1:5"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if opened, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); opened != closed || opened < 20 {
		t.Errorf("%d stacks opened, %d closed", opened, closed)
	}
}

func TestAKeptPlanFits(t *testing.T) {
	p := large
	p.Services = slices.Repeat(large.Services, 40)
	for _, limit := range []int{100_000, 20_000, 5_000, 1_000} {
		data := p.Keep(limit)
		var kept Plan
		if err := json.Unmarshal(data, &kept); err != nil || len(data) > limit {
			t.Fatalf("%d bytes of %d, %v", len(data), limit, err)
		}
		if kept.Totals != p.Totals || kept.Verdict != p.Verdict || len(kept.Services)+kept.LeftOut != len(p.Services) {
			t.Errorf("of %d: %s %s, %d services and %d left out", limit, kept.Verdict, kept.Totals, len(kept.Services), kept.LeftOut)
		}
	}
	if data := pushed.Keep(100_000); !bytes.Equal(data, pushed.encode()) {
		t.Errorf("a small one is not whole: %s", data)
	}
	if large.Services[0].Expected == nil {
		t.Error("keeping a plan took its placements away")
	}
}

func TestAFenceIsLongerThanWhatItHolds(t *testing.T) {
	s := sheet{left: 1000}
	s.fence("head", "", []string{"```", "`````", "``"}, 1000)
	if text := s.String(); !strings.Contains(text, "\n``````text\n```\n`````\n``\n``````\n") {
		t.Errorf("it is\n%s", text)
	}
}
