package main

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestAdvertised(t *testing.T) {
	own := func() (netip.Addr, error) { return netip.MustParseAddr("10.0.0.5"), nil }
	unknown := func() (netip.Addr, error) { return netip.Addr{}, errors.New("several") }
	for name, c := range map[string]struct {
		flag, bound string
		own         func() (netip.Addr, error)
		want        string // or a part of the error
	}{
		"what is said":                {"10.1.1.1:99", "0.0.0.0:2377", unknown, "10.1.1.1:99"},
		"what is said without a port": {"10.1.1.1", "0.0.0.0:2377", unknown, "10.1.1.1:2377"},
		"a name":                      {"m1.example", "0.0.0.0:2377", unknown, "m1.example:2377"},
		"IPv6":                        {"[fd00::1]", "[::]:2377", unknown, "[fd00::1]:2377"},
		"where it listens":            {"", "127.0.0.1:40001", unknown, "127.0.0.1:40001"},
		"everywhere":                  {"", "0.0.0.0:2377", own, "10.0.0.5:2377"},
		"everywhere, IPv6":            {"", "[::]:2377", own, "10.0.0.5:2377"},
		"nobody knows":                {"", "[::]:2377", unknown, "several"},
		"nowhere":                     {"0.0.0.0", "[::]:2377", unknown, "--advertise 0.0.0.0: this is no address"},
		"at no port":                  {"10.1.1.1:http2", "[::]:2377", unknown, "--advertise 10.1.1.1:http2: this is no address"},
		"at any port":                 {"10.1.1.1:0", "[::]:2377", unknown, "--advertise 10.1.1.1:0: this is no address"},
		"no IPv4":                     {"10.0.0.300", "[::]:2377", unknown, "--advertise 10.0.0.300: this is no address"},
		"half an IPv4":                {"10.0.0:2377", "[::]:2377", unknown, "--advertise 10.0.0:2377: this is no address"},
		"no IPv6":                     {"[fd00::1::2]", "[::]:2377", unknown, "--advertise [fd00::1::2]: this is no address"},
		"everybody":                   {"224.0.0.1", "[::]:2377", unknown, "--advertise 224.0.0.1: this is no address"},
		"at a page":                   {"http://m1", "[::]:2377", unknown, "--advertise http://m1: this is no address"},
	} {
		bound, err := net.ResolveTCPAddr("tcp", c.bound)
		if err != nil {
			t.Fatal(err)
		}
		got, err := advertised(c.flag, bound, c.own)
		if got != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// A node that is one already is not asked whether its name is found: it may start
// before its DNS. TestAdvertised shows that "m1.example" is taken there.
func TestAdvertisedNameIsLookedUpAtFirst(t *testing.T) {
	for flag, want := range map[string]string{
		"": "", "10.0.0.1": "", "[fd00::1]:99": "", "localhost:2377": "",
		"10.0.0.300":  "--advertise 10.0.0.300: this is no address",
		"m1..example": "--advertise m1..example: this machine cannot look the name m1..example up: no such host: mend the name",
	} {
		if err := checkAdvertised(t.Context(), flag); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", flag, err, want)
		}
	}
}

func TestOnlyAddr(t *testing.T) {
	for name, c := range map[string]struct {
		addrs string
		want  string
	}{
		"one":     {"127.0.0.1/8 ::1/128 10.0.0.5/24 fe80::1/64", "10.0.0.5"},
		"none":    {"127.0.0.1/8 ::1/128", "127.0.0.1"},
		"several": {"10.0.0.5/24 172.17.0.1/16", "this machine has the addresses 10.0.0.5, 172.17.0.1: say with --advertise"},
	} {
		var addrs []net.Addr
		for _, text := range strings.Fields(c.addrs) {
			ip, network, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		got, err := onlyAddr(addrs)
		if got.String() != c.want && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestManagerAddr(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1:2377", "10.0.0.1:99": "10.0.0.1:99", "m1": "m1:2377", "[fd00::1]": "[fd00::1]:2377",
		"http://m1": "", "": "", "10.0.0.300": "",
	} {
		if got, err := managerAddr(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}
