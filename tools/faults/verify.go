package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/rules"
	"callwatch/stream"
)

// verdict is how what was promised compares with what is there.
type verdict struct {
	Acked   int // webhooks answered 200
	Stored  int // webhooks in the store
	Lost    int // acknowledged and not stored, or stored with another body
	Due     int // incidents that the stored webhooks ask for
	Opened  int // incidents that were opened
	Missing int // due and not announced
	Extra   int // announced and not due
	Twice   int // incidents announced more than once, or opened twice
	Damage  int // parts of the store that could not be read
	Sample  []string
}

// fine says whether nothing is lost and nothing was done twice.
func (v *verdict) fine() bool { return v.Lost+v.Missing+v.Extra+v.Twice == 0 }

func (v *verdict) example(format string, args ...any) {
	if len(v.Sample) < 5 {
		v.Sample = append(v.Sample, fmt.Sprintf(format, args...))
	}
}

// verify reads the store of a callwatch that has stopped: a data directory, or
// the address of a NATS cluster.
func (b *book) verify(ctx context.Context, where string, storm bool) (*verdict, error) {
	cfg := stream.Config{Dir: where, Durability: stream.OS, Reserve: 1 << 20, Log: slog.New(slog.DiscardHandler)}
	if strings.Contains(where, "://") {
		cfg.Dir, cfg.URL = "", where
	}
	store, err := stream.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	v := &verdict{Acked: len(b.acked), Twice: len(b.double)}
	due, err := b.checkStored(ctx, store, v)
	if err == nil {
		err = b.checkAnnounced(ctx, store, due, v, storm)
	}
	return v, errors.Join(err, store.Close(ctx))
}

// checkStored compares the acknowledged webhooks with the stored ones, and works
// out from those which calls are bad.
func (b *book) checkStored(ctx context.Context, store *stream.Store, v *verdict) (map[call.Key]bool, error) {
	end, err := store.Append(ctx, stream.Record{Provider: "end"})
	if err != nil {
		return nil, err
	}
	missing := make(map[string]string, len(b.acked))
	for id, sum := range b.acked {
		missing[id] = sum
	}
	calls, due := map[call.Key]*call.Call{}, map[call.Key]bool{}
	enough := errors.New("enough")
	err = store.Records(ctx, stream.Position{}, func(records []stream.Record) error {
		for i := range records {
			r := &records[i]
			if r.ID() == end {
				return enough
			}
			v.Stored++
			if sum, ok := missing[r.ID()]; ok {
				if sum != digest(r.Body) {
					v.Lost++
					v.example("%s is stored with another body", r.ID())
				}
				delete(missing, r.ID())
			}
			judge(r, calls, due)
		}
		return nil
	}, func(*stream.Damage) { v.Damage++ })
	if !errors.Is(err, enough) {
		return nil, err
	}
	for id := range missing {
		v.Lost++
		v.example("%s is not stored", id)
	}
	v.Due = len(due)
	return due, nil
}

// judge folds a webhook into its call by the definition of the rule, without the
// engine under test.
func judge(r *stream.Record, calls map[call.Key]*call.Call, due map[call.Key]bool) {
	p, ok := registry.Find(r.Provider)
	if !ok {
		return
	}
	events, err := normalizer.Events(p, &normalizer.Body{
		Provider: r.Provider, Source: normalizer.Source(r.Source), ContentType: r.ContentType, Header: r.Header,
		Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.ID(), Key: r.Key, CallID: r.CallID,
	}, normalizer.Options{Prefer: call.PreferProvider})
	if err != nil {
		return
	}
	for i := range events {
		e := &events[i]
		c := calls[e.Key()]
		if c == nil {
			c = &call.Call{}
			calls[e.Key()] = c
		}
		if c.Fold(e, call.PreferProvider) && (c.PacketsLost != nil && *c.PacketsLost > 50 || c.MOS != nil && *c.MOS < 3.5) {
			due[e.Key()] = true
		}
	}
}

// checkAnnounced compares the calls that are bad with the incidents stored and
// with the threads in Slack.
func (b *book) checkAnnounced(ctx context.Context, store *stream.Store, due map[call.Key]bool, v *verdict, storm bool) error {
	roots := map[string]int{}
	for _, th := range b.slack.Threads() {
		roots[fmt.Sprint(th.Root.Metadata.EventPayload["incident"])]++
	}
	opened := map[string]int{}
	ofCall := map[call.Key]string{}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	last, err := store.LastTransitions(ctx)
	if err != nil {
		return err
	}
	if len(last) == 0 {
		v.missing(due, ofCall, roots, storm)
		return nil
	}
	end, enough := last[len(last)-1].Seq, errors.New("enough")
	err = store.FollowTransitions(ctx, 0, func(s stream.Transition) error {
		var t rules.Transition
		if err := json.Unmarshal(s.Data, &t); err != nil {
			return fmt.Errorf("transition %d: %w", s.Seq, err)
		}
		if strings.HasPrefix(t.Incident.Rule, "bad-call") && t.Step == rules.StepOpened {
			opened[t.Incident.ID]++
			k := call.Key{Provider: t.Incident.By[0].Value, CallID: t.Incident.By[1].Value}
			if had, ok := ofCall[k]; ok && had != t.Incident.ID {
				v.Twice++
				v.example("call %v has the incidents %s and %s", k, had, t.Incident.ID)
			}
			ofCall[k] = t.Incident.ID
		}
		if s.Seq >= end {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		return err
	}
	v.Opened = len(opened)
	for id, n := range opened {
		if n > 1 || roots[id] > 1 {
			v.Twice++
			v.example("incident %s was opened %d times and has %d threads", id, n, roots[id])
		}
	}
	for k, id := range ofCall {
		if !due[k] {
			v.Extra++
			v.example("incident %s of %v is not due", id, k)
		}
	}
	v.missing(due, ofCall, roots, storm)
	return nil
}

func (v *verdict) missing(due map[call.Key]bool, ofCall map[call.Key]string, roots map[string]int, storm bool) {
	for k := range due {
		if id, ok := ofCall[k]; !ok || roots[id] == 0 && !storm {
			v.Missing++
			v.example("call %v is bad and not announced (incident %q)", k, id)
		}
	}
}

// judged puts a verdict into the row's last line; it is an error where a promise
// was broken.
func (t *trial) judged(v verdict) error {
	t.count("%d acknowledged, %d stored, %d incidents", v.Acked, v.Stored, v.Opened)
	t.count("lost %d, twice %d", v.Lost+v.Missing, v.Twice+v.Extra)
	for _, s := range v.Sample {
		t.say("%s", s)
	}
	switch {
	case v.Acked == 0:
		return errors.New("nothing was acknowledged: the run shows nothing")
	case !v.fine():
		return fmt.Errorf("%d webhooks lost, %d incidents missing, %d not due, %d twice", v.Lost, v.Missing, v.Extra, v.Twice)
	default:
		return nil
	}
}
