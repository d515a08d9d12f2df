package handlers_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"callwatch/handlers"
	"callwatch/rules"
)

// Profiles tell what is in memory: they are as closed as the API.
func TestProfilesAccess(t *testing.T) {
	var marked []rules.Action
	open := serve(t, handlers.Config{API: apiOf(&marked), Access: admins("t0ken")})
	off := serve(t, handlers.Config{API: apiOf(&marked)})
	dev := serve(t, handlers.Config{API: apiOf(&marked), Dev: true})
	without := serve(t, handlers.Config{})
	for name, c := range map[string]struct {
		base   string
		header []string
		want   int
	}{
		"right token":          {open, []string{"Authorization", "Bearer t0ken"}, 200},
		"wrong token":          {open, []string{"Authorization", "Bearer t0ken2"}, 401},
		"no token":             {open, nil, 401},
		"none configured":      {off, []string{"Authorization", "Bearer "}, 403},
		"no API":               {without, nil, 404},
		"development":          {dev, nil, 200},
		"development by a DNS": {dev, []string{"Host", "evil.example"}, 421},
		"from another site":    {dev, []string{"Sec-Fetch-Site", "cross-site"}, 200}, // a read, which the browser keeps from that site
	} {
		for _, path := range []string{"/", "/heap", "/goroutine?debug=2", "/cmdline", "/symbol", "/trace?seconds=0.01"} {
			if a := send(t, http.MethodGet, c.base+"/debug/pprof"+path, "", with(nil, c.header...)); a.status != c.want {
				t.Errorf("%s: %s answered %d, want %d", name, path, a.status, c.want)
			}
		}
	}
	if a := ask(t, http.MethodGet, open+"/debug/pprof/nothing", "", "t0ken"); a.status != http.StatusNotFound {
		t.Errorf("an unknown profile is answered %d", a.status)
	}
	if a := send(t, http.MethodPost, open+"/debug/pprof/symbol", "0x1", nil); a.status != http.StatusUnauthorized {
		t.Errorf("symbols are answered %d without a token", a.status)
	}
}

// A profile may take longer than other answers.
func TestProfileOutlastsTheWriteTimeout(t *testing.T) {
	var marked []rules.Action
	base := serve(t, handlers.Config{API: apiOf(&marked), Access: admins("t0ken"), Timeouts: shortTimeouts()})
	a := ask(t, http.MethodGet, base+"/debug/pprof/profile?seconds=1", "", "t0ken")
	z, err := gzip.NewReader(strings.NewReader(a.body))
	if a.status != http.StatusOK || err != nil {
		t.Fatalf("answered %d: %v", a.status, err)
	}
	b, err := io.ReadAll(z)
	if err != nil || !bytes.Contains(b, []byte("nanoseconds")) {
		t.Errorf("this is no profile: %v", err)
	}
}
