package normalizer

import "strings"

// PortVariants are an address as it is, and with the port of its scheme added or removed:
// senders differ in writing it where they sign it.
func PortVariants(address string) []string {
	scheme, port := "https://", ":443"
	rest, ok := strings.CutPrefix(address, scheme)
	if !ok {
		scheme, port = "http://", ":80"
		if rest, ok = strings.CutPrefix(address, scheme); !ok {
			return []string{address}
		}
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if bare, had := strings.CutSuffix(host, port); had {
		return []string{address, scheme + bare + path}
	}
	if !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
		return []string{address, scheme + host + port + path}
	}
	return []string{address}
}
