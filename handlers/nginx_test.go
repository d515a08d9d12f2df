package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// nginxBinary is where Debian's package puts it, which is not in everybody's PATH.
func nginxBinary(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("nginx is not installed: apt-get install nginx-light")
	return ""
}

// startNginx serves what is at target under /callwatch/, with the settings that nginx has
// by itself: callwatch is called by another name than browsers use.
//
// With a slash behind the target nginx strips the path, and decodes what is below it.
func startNginx(t *testing.T, listen, target string) {
	t.Helper()
	binary, dir := nginxBinary(t), t.TempDir()
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 128; }
http {
  access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen %[2]s;
    location /callwatch/ {
      proxy_pass %[3]s;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_http_version 1.1; proxy_set_header Connection "";
    }
  }
}
`, dir, listen, target)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-e", dir+"/error.log", "-c", file) //nolint:noctx // stopped by the cleanup
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", listen) //nolint:noctx // loopback
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Since(begun) > 10*time.Second {
			text, _ := os.ReadFile(dir + "/error.log")
			t.Fatalf("nginx does not answer: %v\n%s", err, text)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer closing(l)
	return l.Addr().String()
}

var (
	linkIn     = regexp.MustCompile(`\b(?:href|src|action|formaction|hx-get|hx-post|sse-connect)="([^"]*)"`)
	entityAmps = strings.NewReplacer("&amp;", "&", "&#43;", "+")
)

// TestBehindNginx: under the path of a proxy, whether or not the proxy strips it, every
// link and form of the console leads back below it, streams flow, webhooks and API work.
func TestBehindNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nginx")
	}
	t.Run("stripped", func(t *testing.T) { behindNginx(t, true) })
	t.Run("passed on", func(t *testing.T) { behindNginx(t, false) })
}

func behindNginx(t *testing.T, strips bool) {
	nginxBinary(t)
	o := newOffice(t)
	o.busy()
	listen := freeAddress(t)
	c := team(o)
	c.PublicURL = "http://" + listen + "/callwatch/"
	target := serve(t, c)
	if strips {
		target += "/"
	}
	startNginx(t, listen, target)
	root := "http://" + listen

	// A browser on plain http names the page that a form came from, nothing more.
	v := &visitor{t: t, base: root, header: http.Header{"Origin": {root}}}
	answer, _ := v.ask("GET", "/callwatch/calls", nil)
	if got := answer.Header.Get("Location"); got != "/callwatch/login?next=%2Fcalls" {
		t.Fatalf("without a session it leads to %q", got)
	}
	answer, _ = v.ask("POST", "/callwatch/login", url.Values{"token": {"operator-token"}, "next": {"/calls"}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/callwatch/calls" || len(answer.Cookies) != 1 || answer.Cookies[0].Path != "/callwatch/" {
		t.Fatalf("log-in: %d to %q, %v", answer.StatusCode, answer.Header.Get("Location"), answer.Cookies)
	}
	v.cookie = answer.Cookies[0]

	seen, todo, posts := map[string]bool{}, []string{"/callwatch/"}, map[string]bool{}
	for len(todo) > 0 && len(seen) < 200 {
		page := todo[0]
		todo = todo[1:]
		path, _, _ := strings.Cut(page, "#")
		// nginx decodes the ids that hold a slash when it strips; the model of the tests does
		// not sort by severity.
		if seen[path] || strips && strings.Contains(path, "%2F") || strings.Contains(path, "sort=-severity") {
			continue
		}
		seen[path] = true
		answer, body := v.ask("GET", path, nil)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, answer.StatusCode)
			continue
		}
		if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, form := range postForm.FindAllStringSubmatch(body, -1) {
			posts[form[1]] = true
		}
		for _, link := range linkIn.FindAllStringSubmatch(body, -1) {
			to := entityAmps.Replace(link[1])
			switch {
			case strings.HasPrefix(to, "#"), strings.HasPrefix(to, "?"), strings.HasPrefix(to, "https://"), to == "/callwatch": // the next page, hidden where there is none
			case !strings.HasPrefix(to, "/callwatch/"):
				t.Errorf("%s leads to %s", path, to)
			case !strings.Contains(to, "/stream/") && !strings.HasSuffix(to, "/logout") && !posts[link[1]] && !strings.HasSuffix(to, "/preview"):
				todo = append(todo, to)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d pages were found", len(seen))
	}
	for action := range posts {
		if strings.HasSuffix(action, "/logout") {
			continue
		}
		answer, body := v.ask("POST", action, url.Values{"do": {"acknowledge"}, "back": {"/incidents"}, "match": {`rule == "x"`}})
		to := answer.Header.Get("Location")
		if answer.StatusCode == http.StatusForbidden || answer.StatusCode >= 500 || to != "" && !strings.HasPrefix(to, "/callwatch/") {
			t.Errorf("POST %s: %d to %q %.300s", action, answer.StatusCode, to, body)
		}
	}
	if len(posts) < 6 {
		t.Errorf("only the forms %v were found", posts)
	}

	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	req, _ := http.NewRequestWithContext(ctx, "GET", root+"/callwatch/stream/events", nil)
	req.AddCookie(v.cookie)
	stream, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(stream.Body)
	go o.add(event(99, "telnyx", nil, ""))
	found := false
	for lines := bufio.NewScanner(stream.Body); !found && lines.Scan(); {
		found = strings.Contains(lines.Text(), `href="/callwatch/calls/telnyx/`)
	}
	if !found {
		t.Error("no event came over the stream")
	}

	if a := ask(t, "GET", root+"/callwatch/api/v1/openapi.json", "", "viewer-token"); !strings.Contains(a.body, `"url":"/callwatch/api/v1"`) {
		t.Errorf("the document is for another address: %.200s", a.body)
	}
	a := ask(t, "POST", root+"/callwatch/api/v1/silences", `{"match":"rule == \"y\"","for":"1h"}`, "operator-token")
	if to := a.header.Get("Location"); a.status != http.StatusCreated || !strings.HasPrefix(to, "/callwatch/api/v1/silences/") {
		t.Errorf("a silence: %d at %q %s", a.status, to, a.body)
	}
	hook := root + "/callwatch/webhooks/signing"
	if a := send(t, "POST", hook, jsonBody, signed(hook, jsonBody)); a.status != http.StatusOK {
		t.Errorf("a webhook whose signature covers its address: %d %s", a.status, a.body)
	}
	answer, _ = v.ask("POST", "/callwatch/logout", nil)
	if answer.Header.Get("Location") != "/callwatch/login" {
		t.Errorf("log-out leads to %q", answer.Header.Get("Location"))
	}
}
