package schema

import (
	"cmp"
	"fmt"
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
		if item.kind != text && item.kind != integer {
			m.items = append(m.items, item)
			continue
		}
		if first := seen[item.value]; first != nil {
			s.to.problem(item.pos, here, fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos, item.pos)))
			continue
		}
		seen[item.value] = item
		ports, ok := shortPort(item)
		if !ok {
			s.to.problem(item.pos, here, `must be a port such as "80", "8080:80" or "8080-8081:80-81/udp"`+got(item, here))
			continue
		}
		if !s.grow(item, here, 3*len(ports)) {
			return false
		}
		m.items = append(m.items, ports...)
	}
	*n = *m
	return true
}

func shortPort(n *node) ([]*node, bool) {
	ports, protocol, hasProtocol := strings.Cut(n.value, "/")
	protocol = strings.ToLower(protocol)
	if hasProtocol && protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return nil, false
	}
	published, target := "", ports
	if colon := strings.LastIndexByte(ports, ':'); colon >= 0 {
		published, target = ports[:colon], ports[colon+1:]
		if ip := strings.LastIndexByte(published, ':'); ip >= 0 {
			published = published[ip+1:] // Swarm drops the address
		}
	}
	from, to, ok := portRange(target)
	if !ok || from == 0 {
		return nil, false
	}
	outFrom, outTo, ok := portRange(cmp.Or(published, "0"))
	spread := outTo - outFrom
	if !ok || published != "" && spread != to-from && (from != to || spread < 0) {
		return nil, false
	}
	var long []*node
	for i := 0; i <= to-from; i++ {
		p := &node{kind: mapping, pos: n.pos, index: n.index, fields: []*field{
			fieldAt("target", n.pos, integer, strconv.Itoa(from+i)),
			fieldAt("protocol", n.pos, text, cmp.Or(protocol, "tcp")),
			fieldAt("mode", n.pos, text, "ingress"),
		}}
		if published != "" {
			p.add(fieldAt("published", n.pos, integer, strconv.Itoa(outFrom+i)))
		}
		long = append(long, p)
	}
	return long, true
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
