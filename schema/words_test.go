package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitWords(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
		err  string
	}{
		{line: ``},
		{line: ` a  b	c `, want: []string{"a", "b", "c"}},
		{line: `sh -c 'echo "hi"'`, want: []string{"sh", "-c", `echo "hi"`}},
		{line: `a"b c"d`, want: []string{"ab cd"}},
		{line: `"" ''`, want: []string{"", ""}},
		{line: `a\ b \"`, want: []string{"a b", `"`}},
		{line: `"a\"b\\c" 'a\b'`, want: []string{`a"b\c`, `a\b`}},
		{line: "a # b\nc #", want: []string{"a", "c"}},
		{line: `a#b`, want: []string{"a#b"}},
		{line: `$HOME * ; ~`, want: []string{"$HOME", "*", ";", "~"}},
		{line: `a "b`, err: `the quote " is not closed`},
		{line: `it's`, err: `the quote ' is not closed`},
		{line: `a\`, err: "a backslash at the end escapes nothing"},
	} {
		got, err := splitWords(test.line)
		if said := ""; err != nil {
			if said = err.Error(); said != test.err {
				t.Errorf("%q: %v", test.line, err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" || test.err != "" {
			t.Errorf("%q (-want +got):\n%s", test.line, diff)
		}
	}
}

func TestShortPorts(t *testing.T) {
	for spec, want := range map[string]int{
		"80": 1, "8080:80": 1, "80/udp": 1, "127.0.0.1:8080:80": 1, "[::1]:8080:80": 1, "3000-3005": 6,
		"9090-9091:8080-8081": 2, "6060:6060/SCTP": 1, "8000-8010:80": 11,
		"": 0, "x": 0, "0": 0, "65536": 0, "80/icmp": 0, "90-80": 0, "1-3:1-2": 0, "80:": 0, "a:80": 0, "a:8080:80": 0, "[::1:8080:80": 1, "127.0.0.1::80": 1,
	} {
		ports, _, ok := shortPort(&node{kind: text, value: spec})
		if len(ports) != want || ok != (want > 0) {
			t.Errorf("%q: %d ports, %v", spec, len(ports), ok)
		}
	}
}
