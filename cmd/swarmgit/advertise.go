package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// advertised is where other nodes reach this manager: what the operator says,
// else the address that the port listens at, else the one that this machine
// uses to reach others. bound is where the port listens; it has the real port.
func advertised(flag string, bound net.Addr, own func() (netip.Addr, error)) (string, error) {
	at, err := netip.ParseAddrPort(bound.String())
	if err != nil {
		return "", fmt.Errorf("the node port listens at %s, which is no address: %w", bound, err)
	}
	if flag != "" {
		return advertiseAddr(flag, fmt.Sprint(at.Port()))
	}
	if !at.Addr().IsUnspecified() {
		return at.String(), nil
	}
	addr, err := own()
	if err != nil {
		return "", err
	}
	return netip.AddrPortFrom(addr, at.Port()).String(), nil
}

// advertiseAddr is the address that --advertise names, completed with the port.
func advertiseAddr(flag, port string) (string, error) {
	addr, ok := hostPort(flag, port)
	if to, err := netip.ParseAddrPort(addr); !ok || err == nil && (to.Addr().IsUnspecified() || to.Addr().IsMulticast()) {
		return "", fmt.Errorf("--advertise %s: this is no address of a machine: name the one that the other nodes reach this one at, as HOST or HOST:PORT", flag)
	}
	return addr, nil
}

// checkAdvertised refuses what --advertise cannot be, and a name that is not found.
// It is for a machine that becomes a node: a node may start before its DNS.
func checkAdvertised(ctx context.Context, flag string) error {
	if flag == "" {
		return nil
	}
	addr, err := advertiseAddr(flag, defaultPort)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(addr) // advertiseAddr has joined it
	_, err = net.DefaultResolver.LookupHost(ctx, host)
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		err = errors.New(unknown.Err)
	}
	if err != nil {
		return fmt.Errorf("--advertise %s: this machine cannot look the name %s up: %w: mend the name, or give the address", flag, host, err)
	}
	return nil
}

// checkListen refuses a manager that could not be reached: its port cannot be had,
// or nobody could be told where it is.
func checkListen(cfg nodeConfig) error {
	l, err := listenTCP("--listen", cfg.listen)
	if err != nil {
		return err
	}
	_, err = advertised(cfg.advertise, l.Addr(), ownAddr)
	return errors.Join(err, l.Close())
}

// ownAddr is the address that this machine uses to reach others: by its default
// route, else its only one. Nothing is sent.
func ownAddr() (netip.Addr, error) {
	if conn, err := net.Dial("udp", "192.0.2.1:9"); err == nil { // an address that is nobody's; see RFC 5737
		defer conn.Close()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look for this machine's address: %w: name it with --advertise", err)
	}
	return onlyAddr(all)
}

// onlyAddr picks the address of a machine that has one; a machine without any
// network is alone.
func onlyAddr(all []net.Addr) (netip.Addr, error) {
	var found []string
	var only netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() {
			only, found = prefix.Addr(), append(found, prefix.Addr().String())
		}
	}
	switch len(found) {
	case 0:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case 1:
		return only, nil
	}
	return netip.Addr{}, fmt.Errorf("this machine has the addresses %s: say with --advertise at which one the other nodes reach it", strings.Join(found, ", "))
}

// defaultPort is where nodes meet.
const defaultPort = "2377"

// managerAddr is an address of --join, with the default port.
func managerAddr(text string) (string, error) {
	if text == "" {
		return "", errors.New("--join: name the address of a manager")
	}
	addr, ok := hostPort(text, defaultPort)
	if !ok {
		return "", fmt.Errorf("--join %s: write it as HOST or HOST:PORT, such as 10.0.0.1:%s", text, defaultPort)
	}
	return addr, nil
}

// hostPort completes HOST or HOST:PORT; it is false for what is neither. What looks
// like an IP address has to be one.
func hostPort(text, port string) (addr string, ok bool) {
	host, given, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.Trim(text, "[]")
	}
	port = cmp.Or(given, port)
	n, err := net.LookupPort("tcp", port)
	return net.JoinHostPort(host, port), err == nil && n > 0 && isHost(host)
}

func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return strings.Trim(text, "0123456789.") != "" && !strings.ContainsAny(text, ":/ ")
}
