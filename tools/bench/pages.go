package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"
)

const adminToken = "bench-admin-token-0123456789"

// pages logs in to the console and returns how long its slowest page takes, the
// median of some requests each, and which one it is.
func (p *process) pages(ctx context.Context) (slowest time.Duration, page string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	base := "http://" + p.addr
	res, err := client.PostForm(base+"/login", url.Values{"token": {adminToken}, "name": {"bench"}})
	if err != nil {
		return 0, "", err
	}
	_ = res.Body.Close()
	const times = 7
	for _, path := range []string{"/", "/calls/signalwire/call-" + digits(1000), "/incidents", "/rules", "/silences", "/dead-letters", "/status"} {
		var took []time.Duration
		for range times {
			begun := time.Now()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
			if err != nil {
				return 0, "", err
			}
			res, err := client.Do(req)
			if err != nil {
				return 0, "", err
			}
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if err != nil {
				return 0, "", fmt.Errorf("%s: %w", path, err)
			}
			if res.StatusCode != http.StatusOK || res.Request.URL.Path != path {
				return 0, "", fmt.Errorf("%s: %s at %s", path, res.Status, res.Request.URL.Path)
			}
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		if took[times/2] > slowest {
			slowest, page = took[times/2], path
		}
	}
	return slowest, page, nil
}
