package schema

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// portsForm: every [IP:][PUBLISHED:]TARGET[/PROTOCOL], with ranges, for its
// long forms.
func portsForm(s *shaper, n *node, path string) bool {
	if n.kind != list {
		return true
	}
	m := &node{kind: list, pos: n.pos}
	seen := map[string]*node{}
	for _, item := range n.items {
		here := item.path(path)
		if item.kind == mapping || item.kind == list {
			if item.kind == mapping && item.get("protocol") == nil && !item.wasLost("protocol") {
				item.add(fieldAt("protocol", item.pos, text, "tcp"))
			}
			m.items = append(m.items, item)
			continue
		}
		if first := seen[item.value]; first != nil {
			s.to.problem(item.pos, here, fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos, item.pos)))
			continue
		}
		seen[item.value] = item
		ports, address, ok := shortPort(item)
		if !ok {
			s.to.problem(item.pos, here, `must be a port such as "80", "8080:80" or "8080-8081:80-81/udp"`+got(item, here))
			continue
		}
		if !s.grow(item, here, 3*len(ports)) {
			return false
		}
		if address.IsValid() && !address.IsUnspecified() {
			s.to.warn(item.pos, here, fmt.Sprintf("the address %s is ignored, as by Swarm: the port is published on all of the node's addresses", address))
		}
		m.items = append(m.items, ports...)
	}
	*n = *m
	return true
}

// shortPort also returns the address before the ports, which is not valid if there
// is none.
func shortPort(n *node) (long []*node, address netip.Addr, ok bool) {
	ports, protocol, hasProtocol := strings.Cut(n.value, "/")
	protocol = strings.ToLower(protocol)
	if hasProtocol && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, address, false
	}
	published, target := cutLast(ports)
	ip, published := cutLast(published)
	if ip != "" {
		var err error
		if address, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")); err != nil {
			return nil, address, false
		}
	}
	from, to, ok := portRange(target)
	if !ok || from == 0 {
		return nil, address, false
	}
	outFrom, outTo, ok := portRange(cmp.Or(published, "0"))
	spread := outTo - outFrom
	if !ok || published != "" && spread != to-from && from != to {
		return nil, address, false
	}
	for i := range max(spread, to-from) + 1 { // many published for one target are all its
		p := &node{kind: mapping, pos: n.pos, index: n.index, fields: []*field{
			fieldAt("target", n.pos, integer, strconv.Itoa(min(from+i, to))),
			fieldAt("protocol", n.pos, text, cmp.Or(protocol, "tcp")),
			fieldAt("mode", n.pos, text, "ingress"),
		}}
		if published != "" {
			p.add(fieldAt("published", n.pos, integer, strconv.Itoa(outFrom+i)))
		}
		long = append(long, p)
	}
	return long, address, true
}

// cutLast cuts at the last colon; without one all is after it.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, ':')
	return s[:max(i, 0)], s[i+1:]
}

// portRange reads "80" or "80-90".
func portRange(s string) (from, to int, ok bool) {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	return int(a), int(b), err1 == nil && err2 == nil && a <= b
}
