package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/notifier/slackfake"
)

const judgedMetric = "callwatch_judge_duration_seconds_count"

// pipeline loads callwatch for a time and waits until all is judged: the rate is
// over the whole of it, so a backlog that grew counts against it.
func pipeline(ctx context.Context, o *options) error {
	fmt.Fprintln(o.out, "| body | taken | judged, the wait for the last one included | p50 | p99 of the answers |\n| --- | --- | --- | --- | --- |")
	for _, c := range []struct {
		size   int
		make   maker
		target float64
	}{{small, ended(small, 100, time.Now()), 5000}, {large, report(large, time.Now()), 1000}} {
		r, judged, err := o.judge(ctx, c.make, o.each*time.Duration(o.rounds), nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.out, "| %.1f KB | %.0f/s | %.0f/s | %v | %v |\n", float64(c.size)/1000, r.rate(), judged,
			r.quantile(.5).Round(10*time.Microsecond), r.quantile(.99).Round(10*time.Microsecond))
		defer o.verdict(fmt.Sprintf("%.1f KB: judged a second", float64(c.size)/1000), judged, c.target, true)
	}
	return nil
}

// judge starts callwatch on an empty store, loads it for a time and waits until all is
// judged. after is asked then, unless it is nil; it returns events judged a second.
func (o *options) judge(ctx context.Context, made maker, d time.Duration, after func(*process, result) error, environ ...string) (r result, judged float64, err error) {
	dir := filepath.Join(o.scratch, "judged")
	p, err := startCallwatch(ctx, o, dir, environ...)
	if err != nil {
		return r, 0, err
	}
	var numbers atomic.Uint64
	l := load{addr: p.addr, conns: o.conns, make: made, next: func() uint64 { return numbers.Add(1) }}
	begun := time.Now()
	r, err = l.run(ctx, d)
	if err == nil {
		err = p.judged(ctx, float64(r.answered))
	}
	judged = float64(r.answered) / time.Since(begun).Seconds()
	if err == nil && after != nil {
		err = after(p, r)
	}
	return r, judged, errors.Join(err, p.stop(), os.RemoveAll(dir))
}

// feeding measures the pipeline with and without the read model, in turns.
func feeding(ctx context.Context, o *options) error {
	fmt.Fprintln(o.out, "| round | judged without read model | judged with it | in the read model by then |\n| --- | ---: | ---: | ---: |")
	var ratios []float64
	for round := range o.rounds {
		var rates [2]float64
		var fed float64
		for i, off := range []string{"true", "false"} {
			if round%2 == 1 {
				i, off = 1-i, map[string]string{"true": "false", "false": "true"}[off]
			}
			_, judged, err := o.judge(ctx, ended(small, 100, time.Now()), o.each, func(p *process, r result) error {
				if off == "true" {
					return nil
				}
				behind, err := p.metric(ctx, "callwatch_read_model_behind_events", "")
				fed = 1 - behind/float64(r.answered)
				return err
			}, "CALLWATCH_READ_MODEL_OFF="+off)
			if err != nil {
				return err
			}
			rates[i] = judged
		}
		ratios = append(ratios, rates[1]/rates[0])
		fmt.Fprintf(o.out, "| %d | %.0f/s | %.0f/s | %.0f %% |\n", round+1, rates[0], rates[1], 100*max(0, fed))
	}
	slices.Sort(ratios)
	o.verdict("throughput with the read model, to without", ratios[len(ratios)/2], 0.9, true)
	return nil
}

// judged waits until so many events are judged.
func (p *process) judged(ctx context.Context, want float64) error {
	ctx, done := context.WithTimeout(ctx, 10*time.Minute)
	defer done()
	for {
		n, err := p.metric(ctx, judgedMetric, "")
		if err != nil {
			return fmt.Errorf("wait for judging: %w", err)
		}
		if n >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%v of %v events judged", n, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// slackWatch is a Slack that notes when each call of interest was posted.
type slackWatch struct {
	fake  http.Handler
	sent  sync.Map // call number -> time.Time
	mu    sync.Mutex
	waits []time.Duration
	seen  map[string]bool
}

func (s *slackWatch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
		at := time.Now()
		if err := r.ParseForm(); err == nil && r.Form.Get("thread_ts") == "" {
			s.note(at, r.Form.Encode())
		}
	}
	s.fake.ServeHTTP(w, r)
}

// note finds the call that a root message is about: the rule of this row makes an
// incident of each call.
func (s *slackWatch) note(at time.Time, text string) {
	_, rest, ok := strings.Cut(text, "call-")
	if !ok || len(rest) < len(number) {
		return
	}
	id := rest[:len(number)]
	sent, ok := s.sent.Load(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ok && !s.seen[id] {
		s.seen[id] = true
		s.waits = append(s.waits, at.Sub(sent.(time.Time)))
	}
}

const latencyRules = `rules:
  - name: bad-call
    when: mos < 3.5
    by: [callId]
    severity: critical
routes:
  - {slack: ["#bench"], storm: off}
`

func latency(ctx context.Context, o *options) error {
	r, waits, err := o.announce(ctx, 200, 20, o.each*time.Duration(o.rounds))
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%d webhooks at %.0f/s, %d of them announced; from sending to Slack's request: p50 %v, p99 %v\n",
		r.answered, r.rate(), len(waits.waits), waits.quantile(.5).Round(10*time.Microsecond), waits.quantile(.99).Round(10*time.Microsecond))
	o.verdict("p50 in ms", float64(waits.quantile(.5))/1e6, 1.5, false)
	o.verdict("p99 in ms", float64(waits.quantile(.99))/1e6, 10, false)
	return nil
}

// announce sends webhooks at a rate a second, of which every bad-th alerts, for a time.
// It returns how the load went and how long after it was sent each alert came to Slack.
func (o *options) announce(ctx context.Context, rate, bad int, d time.Duration) (r, waits result, err error) {
	fake := slackfake.New(slackfake.Config{Now: time.Now})
	watch := &slackWatch{fake: fake, seen: map[string]bool{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return r, waits, err
	}
	server := &http.Server{Handler: watch, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	rules := filepath.Join(o.scratch, "latency.yaml")
	if err := os.WriteFile(rules, []byte(latencyRules), 0o600); err != nil {
		return r, waits, err
	}
	dir := filepath.Join(o.scratch, "latency")
	p, err := startCallwatch(ctx, o, dir, "CALLWATCH_SLACK_TOKEN=xoxb-bench", "CALLWATCH_SLACK_CHANNEL=#bench",
		"CALLWATCH_SLACK_API_URL=http://"+listener.Addr().String()+"/api/", "CALLWATCH_SLACK_RATE=10000", "CALLWATCH_RULES="+rules)
	if err != nil {
		return r, waits, err
	}
	var numbers atomic.Uint64
	made := ended(small, uint64(bad), time.Now())
	l := load{addr: p.addr, conns: 50, rate: float64(rate), next: func() uint64 { return numbers.Add(1) }, make: func(buf []byte, n uint64) []byte {
		buf = made(buf, n)
		if n%uint64(bad) == 0 {
			watch.sent.Store(digits(n), time.Now())
		}
		return buf
	}}
	r, err = l.run(ctx, d)
	if err == nil {
		err = watch.settle(ctx, r.answered/bad)
	}
	if err = errors.Join(err, p.stop(), os.RemoveAll(dir)); err != nil {
		return r, waits, err
	}
	return r, result{waits: sorted(watch.waits)}, nil
}

// settle waits until so many calls are announced.
func (s *slackWatch) settle(ctx context.Context, want int) error {
	ctx, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	for {
		s.mu.Lock()
		n := len(s.waits)
		s.mu.Unlock()
		if n >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d bad calls announced", n, want)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
