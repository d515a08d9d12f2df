package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// errAddress is why a connection was not made.
var errAddress = errors.New("the address is private, of this machine or of a cloud's metadata service")

// errHost is why a connection was not made.
var errHost = errors.New("not the host of the API")

// dialer connects to one host. The addresses that its name resolves to are checked
// when they are dialled, so that a name cannot change its meaning in between.
type dialer struct {
	host string // with port
	// named is set where the operator set the API's address: it may be a private one.
	named bool
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address != d.host {
		return nil, errHost
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	literal, _ := netip.ParseAddr(host)
	checked := net.Dialer{Timeout: dialTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return err
		}
		ip := at.Addr().Unmap().WithZone("")
		switch {
		case d.named && ip == literal.Unmap().WithZone(""):
			return nil
		case d.named && !metadata(ip):
			return nil
		case private(ip):
			return errAddress
		}
		return nil
	}}
	return checked.DialContext(ctx, network, address)
}

const dialTimeout = 10 * time.Second

// metadata says whether an address can be that of a cloud's metadata service.
func metadata(ip netip.Addr) bool {
	return ip.IsLinkLocalUnicast() || slices.Contains([]string{
		"fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	}, ip.String())
}

// private says whether an address is none of the public internet's.
func private(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || metadata(ip) {
		return true
	}
	return slices.ContainsFunc(reserved(), func(p netip.Prefix) bool { return p.Contains(ip) })
}

// reserved are the ranges of the special-purpose address registries that lead
// elsewhere than the public internet, or embed an address that may.
func reserved() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/96"),
		netip.MustParsePrefix("64:ff9b::/96"),   // IPv4 embedded
		netip.MustParsePrefix("64:ff9b:1::/48"), // IPv4 embedded, local use
		netip.MustParsePrefix("2002::/16"),      // 6to4
		netip.MustParsePrefix("2001::/32"),      // Teredo
		netip.MustParsePrefix("fec0::/10"),      // site-local of old
	}
}
