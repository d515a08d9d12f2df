package fetch

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
)

func TestPrivate(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "10.0.0.1": true, "172.16.0.1": true, "192.168.1.1": true, "169.254.169.254": true,
		"0.0.0.0": true, "100.64.0.1": true, "100.100.100.200": true, "168.63.129.16": true, "192.0.0.192": true, "224.0.0.1": true,
		"255.255.255.255": true, "240.0.0.1": true, "198.18.0.1": true, "::1": true, "::": true, "fe80::1": true, "fc00::1": true,
		"fd00:ec2::254": true, "ff02::1": true, "::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "64:ff9b::a9fe:a9fe": true,
		"2002:7f00:1::": true, "::7f00:1": true, "fec0::1": true,
		"8.8.8.8": false, "172.32.0.1": false, "100.128.0.1": false, "2606:4700::1111": false, "::ffff:8.8.8.8": false,
	} {
		if got := private(netip.MustParseAddr(address).Unmap()); got != want {
			t.Errorf("%s: private %t, want %t", address, got, want)
		}
	}
}

// TestDial connects to this machine only where the operator named it.
func TestDial(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	here := server.Listener.Addr().String()
	_, port, err := net.SplitHostPort(here)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d    dialer
		to   string
		want error
	}{
		"a provider's name for this machine":  {dialer{host: here}, here, errAddress},
		"localhost":                           {dialer{host: "localhost:" + port}, "localhost:" + port, errAddress},
		"the operator's address":              {dialer{host: here, named: true}, here, nil},
		"the operator's name":                 {dialer{host: "localhost:" + port, named: true}, "localhost:" + port, nil},
		"another host":                        {dialer{host: "api.example:443"}, here, errHost},
		"another host than the operator's":    {dialer{host: "api.example:443", named: true}, here, errHost},
		"another port than the operator's":    {dialer{host: "127.0.0.1:1", named: true}, here, errHost},
		"metadata, without being asked to be": {dialer{host: "169.254.169.254:80"}, "169.254.169.254:80", errAddress},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			conn, err := c.d.dial(ctx, "tcp", c.to)
			if conn != nil {
				_ = conn.Close()
			}
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestNew refuses addresses that cannot be meant, without repeating them.
func TestNew(t *testing.T) {
	p, _ := registry.Find("telnyx")
	const secret = "hunter2"
	for address, want := range map[string]string{
		"https://api.telnyx.com/v2/": "", "http://127.0.0.1:8080/v2": "", "https://[::1]:9/": "",
		"https://user:" + secret + "@api.example": "user or a password",
		"https://api.example?key=" + secret:       "query",
		"https://api.example#" + secret:           "fragment",
		"ftp://" + secret:                         "not an https URL",
		"api.example/" + secret:                   "not a URL",
		"https://:443/" + secret:                  "not a URL",
		"https://api.example/%zz" + secret:        "not a URL",
		"\x00" + secret:                           "not a URL",
		"javascript:" + secret:                    "not a URL",
	} {
		_, err := New(p, normalizer.Keys{"API_KEY": {secret}, normalizer.APIURL: {address}}, Options{Now: time.Now})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "CALLWATCH_TELNYX_API_URL")):
			t.Errorf("%s: %v, want %q of the setting", address, err, want)
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("the error tells the address: %v", err)
		}
	}
	if _, err := New(p, normalizer.Keys{}, Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "CALLWATCH_TELNYX_API_KEY is not set") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := New(normalizer.Provider{Name: "x"}, nil, Options{}); err == nil {
		t.Error("a provider without REST has a client")
	}
	// A provider's own address is https, whatever its settings say.
	p.REST.Base = func(normalizer.Keys) string { return "http://api.telnyx.com" }
	if _, err := New(p, normalizer.Keys{"API_KEY": {secret}}, Options{Now: time.Now}); err == nil {
		t.Error("plain HTTP without the operator's word")
	}
}
