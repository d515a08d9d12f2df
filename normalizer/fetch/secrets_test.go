package fetch_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
)

// TestSecrets fetches in every way that can fail from a server that repeats the
// credentials wherever it can: nothing of them is in what the client tells.
func TestSecrets(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			said := fmt.Sprint(r.Header)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", strings.ReplaceAll(said, "\n", " "))
			w.Header().Set("Location", "https://"+r.Host+"/?"+strings.ReplaceAll(said, "\n", " "))
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "{%s", said)
		}
	}
	servers := map[string]string{}
	for _, status := range []int{200, 204, 302, 400, 401, 403, 404, 429, 500} {
		s := httptest.NewServer(echo(status))
		t.Cleanup(s.Close)
		servers[fmt.Sprint(status)] = s.URL
	}
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = garbage.Close() })
	go func() {
		for {
			conn, err := garbage.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 4096)
			n, _ := conn.Read(request)
			for line := range bytes.Lines(request[:n]) { // what it was told as the answer
				if bytes.Contains(line, []byte("s3cr3t")) || bytes.Contains(line, []byte("Basic")) {
					_, _ = conn.Write(line)
				}
			}
			_ = conn.Close()
		}
	}()
	servers["no HTTP"] = "http://" + garbage.Addr().String()
	servers["no TLS"] = "https://" + garbage.Addr().String()
	servers["nobody"] = "http://127.0.0.1:1"
	for _, p := range registry.Providers() {
		keys := normalizer.Keys{}
		for _, s := range p.Settings {
			if s.Use == normalizer.ForREST && s.Secret {
				keys[s.Name] = []string{"s3cr3t-" + s.Name}
			} else if s.Use == normalizer.ForREST {
				keys[s.Name] = []string{"example"}
			}
		}
		for name, url := range servers {
			t.Run(p.Name+" "+name, func(t *testing.T) {
				keys[normalizer.APIURL] = []string{url}
				client := newClient(t, newClock(), p, keys)
				a, err := client.Do(context.Background(), normalizer.Ask{Path: "/x", CallID: "x"})
				told := fmt.Sprintf("%+v %v %s %+v", a, err, a.Body, client.Health())
				for _, secret := range []string{"s3cr3t", "czNjcjN0", "Bearer", "Basic"} {
					if strings.Contains(told, secret) {
						t.Errorf("%s is told: %s", secret, told)
					}
				}
				if a.Outcome == "" {
					t.Errorf("no outcome: %v", err)
				}
			})
		}
	}
}
