package specs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration whose text form is "1m30s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// Or is the duration, or another one where nothing is said.
func (d *Duration) Or(silent time.Duration) time.Duration {
	if d == nil {
		return silent
	}
	return time.Duration(*d)
}

// MarshalText writes the form that time.ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "1m30s". Negative durations are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 10s or 1m30s", text)
	}
	if v < 0 {
		return fmt.Errorf("a duration must not be negative, got %s", text)
	}
	*d = Duration(v)
	return nil
}

// Bytes is a size in bytes. Its text form uses binary units as Docker does:
// "512M" is 512*1024*1024, a number without a unit is bytes.
type Bytes int64

// ParseBytes reads "64m", "1.5g", "512kb", "100MiB" or "4096"; case does not
// matter.
func ParseBytes(text string) (Bytes, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRight(s, "bikmgtp ")
	scale, ok := byteUnits[strings.TrimSpace(s[len(digits):])]
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && ok && n >= 0 && n <= math.MaxInt64/scale {
		return Bytes(n * scale), nil // exact, which a float is not
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || !(n >= 0 && n*float64(scale) < math.MaxInt64) {
		return 0, fmt.Errorf("%q is not a size such as 64M or 1.5G", text)
	}
	return Bytes(roundUp(n * float64(scale))), nil
}

var byteUnits = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10,
	"m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
	"g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
	"t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40,
	"p": 1 << 50, "pb": 1 << 50, "pib": 1 << 50,
}

// String is exact: the largest unit that divides the size, "1536M" not "1.5G".
func (b Bytes) String() string {
	n, units := int64(b), "KMGTP"
	unit := ""
	for i := 0; i < len(units) && n != 0 && n%1024 == 0; i++ {
		n, unit = n/1024, units[i:i+1]
	}
	return strconv.FormatInt(n, 10) + unit
}

// MarshalText writes the exact form of String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what ParseBytes reads.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// NanoCPUs is a share of processors in billionths: 500_000_000 is "0.5".
type NanoCPUs int64

const nanosPerCPU = 1_000_000_000

// ParseCPUs reads "0.5" or "2". The smallest share is 0.001.
func ParseCPUs(text string) (NanoCPUs, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1e6 {
		return 0, fmt.Errorf("%q is not a number of CPUs such as 0.5 or 2", text)
	}
	return NanoCPUs(roundUp(n * nanosPerCPU)), nil
}

// roundUp is the nearest whole number, but never 0 for what is not nothing: where 0
// is no limit that would be the opposite.
func roundUp(n float64) float64 {
	if n > 0 {
		return max(math.Round(n), 1)
	}
	return 0
}

func (c NanoCPUs) String() string {
	return strconv.FormatFloat(float64(c)/nanosPerCPU, 'f', -1, 64)
}

// MarshalText writes the shortest exact decimal.
func (c NanoCPUs) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what ParseCPUs reads.
func (c *NanoCPUs) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCPUs(string(text))
	return err
}
