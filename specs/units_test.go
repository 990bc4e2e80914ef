package specs_test

import (
	"encoding"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/swarmgit/swarmgit/specs"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]struct {
		value Duration
		err   string
	}{
		"10s":   {value: Duration(10 * time.Second)},
		"1m30s": {value: Duration(90 * time.Second)},
		"0s":    {},
		"1.5h":  {value: Duration(90 * time.Minute)},
		"-1s":   {err: "must not be negative"},
		"10":    {err: "is not a duration such as"},
		"":      {err: "is not a duration such as"},
	} {
		var got Duration
		check(t, text, got.UnmarshalText([]byte(text)), want.err)
		if got != want.value {
			t.Errorf("%q is %s, want %s", text, got, want.value)
		}
	}
}

func TestBytesText(t *testing.T) {
	const bad = "is not a size such as"
	for text, want := range map[string]struct {
		value Bytes
		err   string
	}{
		"4096":                {value: 4096},
		"512M":                {value: 512 << 20},
		"64m":                 {value: 64 << 20},
		"512kb":               {value: 512 << 10},
		"100MiB":              {value: 100 << 20},
		"1.5g":                {value: 3 << 29},
		" 2 G ":               {value: 2 << 30},
		"10b":                 {value: 10},
		"0.4":                 {value: 1}, // 0 is no limit
		"0.0":                 {},
		"1p":                  {value: 1 << 50},
		"9223372036854775807": {value: 1<<63 - 1},
		"9223372036854775808": {err: bad},
		"8192p":               {err: bad},
		"-1":                  {err: bad},
		"":                    {err: bad},
		"M":                   {err: bad},
		"1x":                  {err: bad},
		"1 mm":                {err: bad},
		"NaN":                 {err: bad},
		"inf":                 {err: bad},
	} {
		got, err := ParseBytes(text)
		check(t, text, err, want.err)
		if got != want.value {
			t.Errorf("%q is %d, want %d", text, got, want.value)
		}
	}
}

func TestBytesString(t *testing.T) {
	for value, want := range map[Bytes]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1K", 1536 << 20: "1536M", 1 << 40: "1T", 1 << 60: "1024P", 1<<63 - 1: "9223372036854775807",
	} {
		if got := value.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(value), got, want)
		}
	}
}

func TestCPUsText(t *testing.T) {
	const bad = "is not a number of CPUs such as"
	for text, want := range map[string]struct {
		value NanoCPUs
		err   string
	}{
		"0.5":   {value: 500_000_000},
		"2":     {value: 2_000_000_000},
		"0.001": {value: 1_000_000},
		"1e-11": {value: 1}, // 0 is no limit
		" 1 ":   {value: 1_000_000_000},
		"-1":    {err: bad},
		"NaN":   {err: bad},
		"1e9":   {err: bad},
		"half":  {err: bad},
		"":      {err: bad},
	} {
		got, err := ParseCPUs(text)
		check(t, text, err, want.err)
		if got != want.value {
			t.Errorf("%q is %d, want %d", text, got, want.value)
		}
	}
}

func check(t *testing.T, text string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%q: got error %v, want %q", text, err, want)
	}
}

func TestTextFormsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Min(0).Draw(t, "duration"))
		readBack(t, d, &d, func() any { return d })
		b := Bytes(rapid.Int64Min(0).Draw(t, "bytes"))
		readBack(t, b, &b, func() any { return b })
		c := NanoCPUs(rapid.Int64Range(0, 1_000_000_000_000_000).Draw(t, "cpus"))
		readBack(t, c, &c, func() any { return c })
		s := rapid.SampledFrom(states).Draw(t, "state")
		readBack(t, s, &s, func() any { return s })
	})
}

// readBack reads into the value what it writes of itself.
func readBack(t *rapid.T, written encoding.TextMarshaler, into encoding.TextUnmarshaler, now func() any) {
	t.Helper()
	text, err := written.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := into.UnmarshalText(text); err != nil {
		t.Fatalf("%q was written and is not read: %v", text, err)
	}
	if now() != written {
		t.Fatalf("%v was written as %q and read as %v", written, text, now())
	}
}
