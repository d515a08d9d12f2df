package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// stages profiles callwatch under the load of the row rivals at 1.4 KB and under reports of 39 KB,
// and divides the processor time of each stage by the webhooks that were judged meanwhile.
func stages(ctx context.Context, o *options) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		size int
		make maker
	}{
		{small, signed(private, hangupBody(small, time.Now()), o.signatures(small), time.Now())},
		{large, report(large, time.Now())},
	} {
		fmt.Fprintf(o.out, "\n%.1f KB:\n\n", float64(c.size)/1000)
		if err := o.stagesOf(ctx, c.make, fmt.Sprintf("callwatch-stages-%d.pb.gz", c.size), "CALLWATCH_TELNYX_PUBLIC_KEY="+base64.StdEncoding.EncodeToString(public)); err != nil {
			return err
		}
	}
	return nil
}

// stagesOf profiles callwatch under one kind of webhooks, into a file of the folder for temporary files.
func (o *options) stagesOf(ctx context.Context, made maker, file string, environ ...string) error {
	dir := filepath.Join(o.scratch, "stages")
	p, err := startCallwatch(ctx, o, dir, environ...)
	if err != nil {
		return err
	}
	const warm, drain = time.Second, 500 * time.Millisecond
	var numbers atomic.Uint64
	l := load{addr: p.addr, conns: o.conns, make: made, next: func() uint64 { return numbers.Add(1) }}
	loaded := make(chan error, 1)
	go func() {
		_, err := l.run(ctx, warm+o.each+drain)
		loaded <- err
	}()
	time.Sleep(warm)
	webhooks, profile, err := p.profiled(ctx, o, file)
	err = errors.Join(err, <-loaded, p.stop(), os.RemoveAll(dir))
	if err != nil {
		return err
	}
	return o.printStages(ctx, profile, webhooks)
}

// profiled takes a profile into a file, and says how many webhooks were judged meanwhile.
func (p *process) profiled(ctx context.Context, o *options, file string) (webhooks float64, profile string, err error) {
	before, err := p.metric(ctx, judgedMetric, "")
	if err != nil {
		return 0, "", err
	}
	data, err := p.read(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(o.each.Seconds()))))
	if err != nil {
		return 0, "", err
	}
	after, err := p.metric(ctx, judgedMetric, "")
	if err != nil {
		return 0, "", err
	}
	if after <= before {
		return 0, "", errors.New("nothing was judged")
	}
	profile = filepath.Join(os.TempDir(), file)
	return after - before, profile, os.WriteFile(profile, []byte(data), 0o600)
}

var (
	tagTotal = regexp.MustCompile(`: Total \S+ of (\S+)`)
	tagValue = regexp.MustCompile(`(?m)^\s+([0-9.]+m?s) \([^)]*\): (\S+)`)
)

// printStages prints the time of each stage, of each stream in the server and of its consumers, and keeps the profile for go tool pprof.
func (o *options) printStages(ctx context.Context, profile string, webhooks float64) error {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-tags", profile).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	total := tagTotal.FindSubmatch(out)
	if total == nil {
		return fmt.Errorf("no labels in the profile:\n%s", out)
	}
	rest, err := time.ParseDuration(string(total[1]))
	if err != nil {
		return err
	}
	fmt.Fprintln(o.out, "| stage | us of a processor per webhook |\n| --- | ---: |")
	all := rest
	for _, tag := range regexp.MustCompile(`\n\s*\n`).Split(string(out), -1) {
		kind, values, _ := strings.Cut(tag, ":")
		kind = strings.TrimSpace(kind)
		if kind != "stage" && kind != "stream" && kind != "type" { // the server in the process has labels of its own
			continue
		}
		for _, m := range tagValue.FindAllStringSubmatch(values, -1) {
			d, err := time.ParseDuration(m[1])
			if err != nil {
				return err
			}
			rest -= d
			fmt.Fprintf(o.out, "| %s %s | %.1f |\n", kind, m[2], float64(d.Microseconds())/webhooks)
		}
	}
	fmt.Fprintf(o.out, "| collector and others without a stage | %.1f |\n| all | %.1f |\n", float64(rest.Microseconds())/webhooks, float64(all.Microseconds())/webhooks)
	fmt.Fprintf(o.out, "\n%.0f webhooks judged; the profile: go tool pprof %s\n", webhooks, profile)
	return nil
}
