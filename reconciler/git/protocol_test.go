package git

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

// post sends a request as no git client would, and returns the status and body.
func (s *site) post(route string, body []byte, header ...string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest("POST", s.url()+route, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func deletion(ref, old, capabilities string) string {
	return pktline.Line(old+" "+zeroHash+" "+ref+"\x00"+capabilities) + pktline.Flush
}

func TestCompressedRequest(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "first")
	c.git("push", "-q", "swarm", "main:other")
	status, said := s.post("/git-receive-pack", zipped(deletion("refs/heads/other", first, "report-status side-band-64k")), "Content-Encoding", "gzip")
	if status != 200 || !strings.Contains(said, "other is deleted") || !strings.Contains(said, "ok refs/heads/other") {
		t.Errorf("%d %q", status, said)
	}
	s.wantRef("refs/heads/other", "")
	if status, _ := s.post("/git-receive-pack", []byte("not gzip"), "Content-Encoding", "gzip"); status != 400 {
		t.Errorf("what is not gzip is answered %d", status)
	}

	// Enough branches for a fetch that git compresses.
	var commits []string
	for i := range 40 {
		commits = append(commits, c.commit("x", fmt.Sprint("b", i), fmt.Sprint(i)))
	}
	c.git("push", "-q", "swarm", "main")
	for i, commit := range commits {
		s.cluster.set(fmt.Sprintf("refs/heads/b%d", i), commit)
	}
	if err := s.repo.Sync(t.Context(), s.cluster.Refs); err != nil {
		t.Fatal(err)
	}
	other := s.clone()
	other.git("fetch", "-q", "swarm")
	if n := len(strings.Fields(other.git("branch", "-r"))); n != 41 {
		t.Errorf("fetched %d branches", n)
	}
	other.git("-c", "protocol.version=0", "clone", "-q", s.url(), t.TempDir())
}

func TestClientWithoutSideband(t *testing.T) {
	s := newSite(t)
	c := s.clone()
	first := c.commit("x", "1", "first")
	c.git("push", "-q", "swarm", "main")
	_, said := s.post("/git-receive-pack", []byte(deletion("refs/heads/main", first, "report-status")))
	want := pktline.Line("unpack ok\n") + pktline.Line("ng refs/heads/main swarmgit: the cluster follows main\n") + pktline.Flush
	if said != want {
		t.Errorf("answer is %q, want %q", said, want)
	}
}

func TestRequestsThatNoClientSends(t *testing.T) {
	s := newSite(t)
	one := strings.Repeat("1", 40)
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"nothing":               {"", 400},
		"text":                  {"hello, world", 400},
		"half a line":           {"00ff" + one, 400},
		"a delimiter":           {"0001", 400},
		"no commit":             {pktline.Line("shallow me") + pktline.Flush, 400},
		"a short command":       {pktline.Line(one+" refs/heads/main") + pktline.Flush, 400},
		"no end":                {pktline.Line(one + " " + one + " refs/heads/main\x00report-status"), 400},
		"too many":              {strings.Repeat(pktline.Line("shallow "+one), maxRequest/50) + pktline.Flush, 400},
		"a probe":               {pktline.Flush, 200},
		"a name that is none":   {pktline.Line(zeroHash+" "+one+" refs/heads/../x\x00report-status") + pktline.Flush + "PACK", 200},
		"no pack":               {pktline.Line(zeroHash+" "+one+" refs/heads/x\x00report-status") + pktline.Flush, 200},
		"deletes what is not":   {deletion("refs/heads/x", one, "report-status"), 200},
		"deletes nothing":       {deletion("refs/heads/x", zeroHash, "report-status"), 200},
		"an option with escape": {pktline.Line(zeroHash+" "+one+" refs/heads/x\x00report-status side-band-64k push-options") + pktline.Flush + pktline.Line("\x1b[31m") + pktline.Flush, 200},
	} {
		status, said := s.post("/git-receive-pack", []byte(c.body))
		if status != c.status {
			t.Errorf("%s: answered %d %q, want %d", name, status, said, c.status)
		}
		if strings.Contains(said, "ok refs") || strings.ContainsRune(said, '\x1b') {
			t.Errorf("%s: answered %q", name, said)
		}
		if n := len(s.cluster.Refs()); n != 0 {
			t.Errorf("%s: %d refs", name, n)
		}
		s.wantNoLeftovers()
	}
	for _, route := range []string{"/", "/HEAD", "/config", "/objects/info/packs", "/info/refs", "/info/refs?service=git-receive-archive", "/../secret"} {
		answer, err := http.Get(s.url() + route)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode/100 != 4 {
			t.Errorf("GET %s is answered %s", route, answer.Status)
		}
	}
}

func TestPackBomb(t *testing.T) {
	s := newSite(t)
	s.server.PackLimit = oneMebibyte
	body := pktline.Line(zeroHash+" "+strings.Repeat("1", 40)+" refs/heads/x\x00report-status side-band-64k") + pktline.Flush + strings.Repeat("\x00", 64<<20)
	_, said := s.post("/git-receive-pack", zipped(body), "Content-Encoding", "gzip")
	if !strings.Contains(said, "ng refs/heads/x swarmgit: pack over 1M") {
		t.Errorf("answered %q", said)
	}
	s.wantNoLeftovers()
}

// TestDeltaBomb brings a delta of a few bytes that says to make half a gigabyte.
func TestDeltaBomb(t *testing.T) {
	s := newSite(t)
	base := make([]byte, 64<<10) // what a copy of no length copies
	const size = 512 << 20
	delta := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(base))), size)
	delta = append(delta, bytes.Repeat([]byte{0x80}, size/len(base))...)
	pack := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), 2)
	pack = packed(pack, 3, nil, base)
	name := sha1.Sum(append([]byte("blob 65536\x00"), base...))
	pack = packed(pack, 7, name[:], delta)
	sum := sha1.Sum(pack)
	pack = append(pack, sum[:]...)

	one := strings.Repeat("1", 40)
	head := pktline.Line(zeroHash+" "+one+" refs/heads/x\x00report-status side-band-64k") + pktline.Flush
	if _, said := s.post("/git-receive-pack", append([]byte(head), pack...)); !strings.Contains(said, "over limit") {
		t.Errorf("a push of %d bytes is answered %q", len(pack), said)
	}
	if err := s.repo.Unpack(t.Context(), bytes.NewReader(pack), one, maxTransfer); err == nil || !strings.Contains(err.Error(), "over limit") {
		t.Errorf("taken in: %v", err)
	}
	s.wantNoLeftovers()
}

// packed is the pack with one more object of a kind: its size, what it builds on,
// and its content.
func packed(pack []byte, kind byte, base, content []byte) []byte {
	n := len(content)
	next := kind<<4 | byte(n&15)
	for n >>= 4; n > 0; n >>= 7 {
		pack = append(pack, next|0x80)
		next = byte(n & 0x7f)
	}
	out := bytes.NewBuffer(append(append(pack, next), base...))
	w := zlib.NewWriter(out)
	w.Write(content)
	w.Close()
	return out.Bytes()
}

func FuzzReadRequest(f *testing.F) {
	one := strings.Repeat("1", 40)
	f.Add([]byte(pktline.Line(one+" "+zeroHash+" refs/heads/main\x00report-status push-options") + pktline.Flush + pktline.Line("no-wait") + pktline.Flush))
	f.Add([]byte(pktline.Line("shallow "+one) + pktline.Flush))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := readRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		// What git is told says the same.
		again, err := readRequest(bufio.NewReader(strings.NewReader(q.head())))
		if err != nil || len(again.commands) != len(q.commands) || len(again.shallow) != len(q.shallow) {
			t.Fatalf("%q became %q: %v", data, q.head(), err)
		}
		for i, c := range q.commands {
			if again.commands[i] != c {
				t.Errorf("%+v became %+v", c, again.commands[i])
			}
		}
	})
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte("tree a\nauthor A <a@b> 1 +0\n\nsubject\n"))
	f.Add([]byte("100644 a\x00" + strings.Repeat("1", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if commit, err := parseCommit(zeroHash, string(data)); err == nil && strings.ContainsAny(commit.Subject+commit.Author, "\n\x1b\x00") {
			t.Errorf("subject %q, author %q", commit.Subject, commit.Author)
		}
		parseTree(data)
	})
}

func TestWrap(t *testing.T) {
	for _, c := range [][3]string{
		{"short", "  ", "short\n"},
		{"  margin stays", "    ", "  margin stays\n"},
		{strings.Repeat("x", Width), "  ", strings.Repeat("x", Width) + "\n"},
		{strings.Repeat("x", Width-1) + " y", "  ", strings.Repeat("x", Width-1) + "\n  y\n"},
		{"a " + strings.Repeat("x", Width+9) + " b", "  ", "a\n  " + strings.Repeat("x", Width+9) + "\n  b\n"},
		{"", "  ", "\n"},
		{"  shop_web  ####  " + strings.Repeat("x", Width-20) + "  y z\tz", "    ", "  shop_web  ####  " + strings.Repeat("x", Width-20) + "\n    y z z\n"},
		{strings.Repeat("ü", Width-2) + " y", "", strings.Repeat("ü", Width-2) + " y\n"},
	} {
		if got := Wrap(c[0], c[1]); got != c[2] {
			t.Errorf("Wrap(%q, %q) is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
