package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"callwatch"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
)

// The story of the demo, in time since it began. Windows of the shipped rules are
// storySpeed times shorter, so that it is over in three minutes.
const (
	storySpeed    = 30
	storyDegrades = 15 * time.Second
	storyWorsens  = 35 * time.Second
	storyRecovers = 72 * time.Second
	storyAck      = 15 * time.Second // after the incident opened
	storyEnd      = 3 * time.Minute

	storyRate    = 12.0 // calls a second
	storyBad     = 0.01 // of the healthy calls
	storyShare   = 0.25 // of the calls of the region's provider, while it is degraded
	storyWorst   = 0.85 // of them, once it is worse
	storySeed    = 1
	historyTime  = 2 * time.Hour // so that the last hour can be compared with the one before
	historyCalls = 1200
	storyPerson  = "Ada"
)

// tellsStory reports whether the demo tells its story: no flag asks for other traffic.
func tellsStory(changed func(flag string) bool) bool {
	return !slices.ContainsFunc([]string{"provider", "scenario", "rate", "bad", "rules"}, changed)
}

// storyOptions are the traffic of the story: the first provider whose calls are in
// regions degrades in one of them.
func storyOptions(o simulate.Options) simulate.Options {
	bad := storyBad
	o.Scenario, o.Rate, o.Bad = "low-mos", storyRate, &bad
	for _, source := range o.Sources {
		if len(source.Regions) > 0 {
			episode := simulate.Episode{Provider: source.Name, Region: source.Regions[0], From: storyDegrades, To: storyWorsens, Fault: simulate.LowMOS, Share: storyShare}
			worse := episode
			worse.From, worse.To, worse.Share = storyWorsens, storyRecovers, storyWorst
			o.Episodes = []simulate.Episode{episode, worse}
			break
		}
	}
	return o
}

// duration is a line of a rule that is a length of time.
var duration = regexp.MustCompile(`(?m)^(    (?:over|for|resolve_after|cooldown|repeat|repeat_max|absent|learn|settle|grace): )(\d+[smhd])( *(?:#.*)?)$`)

// storyRules are the shipped rules with shorter times.
func storyRules() []byte {
	return duration.ReplaceAllFunc(callwatch.Rules, func(line []byte) []byte {
		parts := duration.FindSubmatch(line)
		d, err := rules.ParseDuration(string(parts[2]))
		if err != nil {
			return line
		}
		return fmt.Appendf(nil, "%s%ds%s", parts[1], max(1, int((d/storySpeed).Seconds())), parts[3])
	})
}

// addHistory stores the calls of the hours before, as an import does: they are shown
// and alert nobody.
func (a *app) addHistory(ctx context.Context, providers normalizer.Registry, o simulate.Options) error {
	rate := float64(historyCalls) / historyTime.Seconds()
	o.Episodes, o.Seed, o.Rate, o.Count = nil, o.Seed+1, rate, historyCalls
	o.Start = o.Start.Add(-historyTime - 5*time.Minute) // all of it is over
	traffic, err := simulate.Traffic(o)
	if err != nil {
		return err
	}
	var storing sync.WaitGroup
	slots, failed := make(chan struct{}, 64), make(chan error, 1)
	for r := range traffic {
		p, found := providers.Find(r.Provider)
		if !found {
			return fmt.Errorf("make history: there is no provider %s", r.Provider)
		}
		body, err := verifiedBody(ctx, &p, &r, o.Secrets, o.Start.Add(r.At))
		if err != nil {
			return fmt.Errorf("make history: %w", err)
		}
		body.Source, body.Identity = normalizer.Imported, normalizer.Identity{}
		slots <- struct{}{}
		storing.Go(func() {
			defer func() { <-slots }()
			if _, err := a.ingest.Append(ctx, body); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	storing.Wait()
	select {
	case err := <-failed:
		return fmt.Errorf("store history: %w", err)
	default:
		return nil
	}
}

// verifiedBody signs a simulated request and verifies it, as of a time.
func verifiedBody(ctx context.Context, p *normalizer.Provider, r *simulate.Request, secrets simulate.Secrets, at time.Time) (normalizer.Body, error) {
	const address = "http://127.0.0.1:8080"
	req, err := r.Sign(ctx, simulate.Target{URL: address}, at)
	if err != nil {
		return normalizer.Body{}, err
	}
	_, token, _ := strings.Cut(req.URL.Path, "/webhooks/"+r.Provider)
	verified, err := normalizer.Verify(*p, &normalizer.Request{
		URL: address + req.URL.RequestURI(), Header: req.Header, Body: r.Body, Token: strings.TrimPrefix(token, "/"),
		ReceivedAt: at, ContentType: req.Header.Get("Content-Type"),
	}, secrets.Receive[r.Provider])
	if err != nil {
		return normalizer.Body{}, err
	}
	return verified.Body(), nil
}

// narrator tells in the terminal what to look at, and acts as the person on call.
type narrator struct {
	app   *app
	out   io.Writer
	of    int // providers
	base  string
	begun time.Time
	seen  map[string]rules.Incident
	ack   string    // incident that is to be acknowledged
	ackAt time.Time // when
}

func (n *narrator) say(format string, args ...any) {
	past := time.Since(n.begun).Round(time.Second)
	fmt.Fprintf(n.out, "%d:%02d  %s\n", int(past.Minutes()), int(past.Seconds())%60, cli.PrintableText(fmt.Sprintf(format, args...)))
}

// tell narrates until ctx ends.
func (n *narrator) tell(ctx context.Context, episodes []simulate.Episode) {
	n.seen = map[string]rules.Incident{}
	n.say("Healthy traffic of %d providers, with two hours of it before. Look at %s/?range=1h", n.of, n.base)
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	for i, e := range episodes {
		text := fmt.Sprintf("Calls of %s in %s begin to lose packets. The map on %s/?range=1h turns red there within a minute.", e.Provider, e.Region, n.base)
		if i > 0 {
			text = fmt.Sprintf("It gets worse: most calls of %s in %s lose packets.", e.Provider, e.Region)
		}
		lines = append(lines, line{e.From, text})
		if i == len(episodes)-1 {
			lines = append(lines, line{e.To, e.Region + " recovers. The incident resolves once the window is clear of bad calls."})
		}
	}
	lines = append(lines, line{storyEnd, "The story is over; healthy traffic goes on until you interrupt it with Ctrl-C."})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		changed := n.app.preview.Changed()
		for _, in := range slices.Backward(n.app.preview.Snapshot().Incidents) { // oldest first
			if in.Mode == rules.Active {
				n.incident(&in)
			}
		}
		for len(lines) > 0 && time.Since(n.begun) >= lines[0].at {
			n.say("%s", lines[0].text)
			lines = lines[1:]
		}
		if n.ack != "" && !time.Now().Before(n.ackAt) {
			id := n.ack
			n.ack = ""
			_, _ = n.app.act(ctx, rules.Action{Do: rules.Acknowledge, By: storyPerson, Incident: id}) // it may have resolved
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// incident tells what is new of an incident.
func (n *narrator) incident(in *rules.Incident) {
	before, known := n.seen[in.ID]
	n.seen[in.ID] = *in
	share := in.Values != nil
	switch {
	case !known && in.State == rules.Firing && share:
		n.say("%s opens (%s): %s. See %s/incidents/%s", in.Rule, in.Severity, in.Summary, n.base, in.ID)
		if n.ack == "" {
			n.ack, n.ackAt = in.ID, time.Now().Add(storyAck)
		}
	case !known && in.State == rules.Firing:
		n.say("%s, %s: %s", in.Rule, in.Severity, in.Summary)
	case !known:
	case len(in.Adopted) > len(before.Adopted):
		n.say("%s takes in %s: one thread instead of several.", in.Rule, in.Adopted[len(in.Adopted)-1].Rule)
	}
	if !known {
		before = *in
		before.Severity, before.State = in.Severity, rules.Firing
	}
	if in.Severity != before.Severity {
		n.say("%s escalates to %s: %s", in.Rule, in.Severity, in.Summary)
	}
	if in.Acknowledged != nil && before.Acknowledged == nil {
		n.say("%s acknowledges %s: no reminders from now on.", in.Acknowledged.By, in.Rule)
	}
	if in.State == rules.Resolved && before.State != rules.Resolved {
		n.say("%s is resolved after %s. Its thread is on %s/slack", in.Rule, in.ResolvedAt.Sub(in.OpenedAt).Round(time.Second), n.base)
	}
}
