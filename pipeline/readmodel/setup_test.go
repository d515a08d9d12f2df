package readmodel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
	"callwatch/stream"
)

// world is a store with random events and transitions, and models of it.
type world struct {
	t     testing.TB
	r     *rand.Rand
	store *stream.Store
	dir   string
	raw   uint64
	cause uint64
	steps map[string]int
	made  []stream.Event
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Durability: "os"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	if _, _, _, err := store.LastPublished(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), store: store, dir: t.TempDir(), steps: map[string]int{}}
}

func (w *world) model(name string) *Model {
	return New(Config{Path: filepath.Join(w.dir, name, "calls.db"), Store: w.store, Log: slog.New(slog.DiscardHandler)})
}

// run feeds a model until fn returns.
func (w *world) run(m *Model, fn func()) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	fn()
	stop()
	if err := <-ended; err != nil && ctx.Err() == nil {
		w.t.Error(err)
	}
}

// current waits until the model has everything.
func (w *world) current(m *Model) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer stop()
	if err := m.Current(ctx); err != nil {
		w.t.Fatal(err, m.Status())
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// event is a random event of one of some calls.
func (w *world) event(calls int) call.Event {
	r := w.r
	n := r.IntN(calls)
	begun := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 17 * time.Minute)
	e := call.Event{Identity: call.Identity{
		ID: fmt.Sprintf("e%d", w.raw), Provider: pick(r, "acme", "tele"), CallID: fmt.Sprintf("call-%05d", n),
		Kind: pick(r, call.Progress, call.Stats, call.Ended, call.Report), OccurredAt: begun.Add(time.Duration(r.IntN(600)) * time.Second),
		Region: pick(r, "", "us-east", "eu", "süd"), AgentName: pick(r, "", "Anna", "Bob's", "anna 2"), SessionID: pick(r, "", fmt.Sprintf("s-%d", n)),
	}}
	number := func(v float64) *float64 {
		if r.IntN(3) == 0 {
			return nil
		}
		return &v
	}
	e.Direction, e.Codec = pick(r, "", "inbound", "outbound"), pick(r, "", "opus", "g729")
	e.Status = pick(r, "", "completed", "failed", "busy", "in-progress")
	e.From, e.To = pick(r, "", fmt.Sprintf("+1415555%04d", n)), pick(r, "", fmt.Sprintf("+4930%06d", n*7), "anonymous", "sip:+14155550199@example.com")
	e.FromCountry, e.ToCountry = pick(r, "", "US"), pick(r, "", "DE")
	e.StartedAt = pick(r, time.Time{}, begun, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
	e.MOS, e.PacketLossPct, e.DurationSec = number(1+4*r.Float64()), number(10*r.Float64()), number(float64(r.IntN(500)))
	e.JitterMs, e.Cost = number(50*r.Float64()), number(r.Float64())
	e.CostCurrency = pick(r, "", "USD", "EUR")
	if r.IntN(2) == 0 {
		e.Answered = new(r.IntN(2) == 0)
	}
	if r.IntN(3) == 0 {
		e.PacketsLost, e.SIPCode = new(int64(r.IntN(100))), new(int64(200+r.IntN(400)))
	}
	if r.IntN(4) == 0 {
		e.Tags = []string{pick(r, "a", "b"), "c"}
	}
	if r.IntN(5) == 0 {
		e.Aliases = []string{fmt.Sprintf("alias-%d", n)}
	}
	e.Final = r.IntN(4) == 0
	return e
}

// publish stores n random events: some are history, some correct earlier records.
func (w *world) publish(n, calls int) {
	w.t.Helper()
	var events []stream.Event
	for range n {
		w.raw++
		e := w.event(calls)
		data, err := json.Marshal(&e)
		if err != nil {
			w.t.Fatal(err)
		}
		s := stream.Event{
			Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Aliases: e.Aliases, Raw: stream.Position{Seq: w.raw}, Data: data,
		}
		switch w.r.IntN(12) {
		case 0:
			s.CountsAt = e.OccurredAt
		case 1:
			if len(w.made) > 0 {
				of := pick(w.r, w.made...)
				s.CountsAt, s.Replaces = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), of.Raw
				if w.r.IntN(3) == 0 {
					s.Kind, s.Data, s.CallID = "none", []byte("null"), ""
				}
			}
		case 2:
			s.Data = []byte("{damaged")
		}
		events = append(events, s)
	}
	w.made = append(w.made, events...)
	if err := w.store.PublishEvents(w.t.Context(), events); err != nil {
		w.t.Fatal(err)
	}
}

// keep stores events as they are.
func (w *world) keep(events ...call.Event) {
	w.t.Helper()
	var stored []stream.Event
	for i := range events {
		e := &events[i]
		w.raw++
		data, err := json.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		stored = append(stored, stream.Event{Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Raw: stream.Position{Seq: w.raw}, Data: data})
	}
	if err := w.store.PublishEvents(w.t.Context(), stored); err != nil {
		w.t.Fatal(err)
	}
}

// alert stores a transition that names some calls.
func (w *world) alert(calls int) {
	w.t.Helper()
	rule := fmt.Sprintf("rule-%d", w.r.IntN(4))
	w.cause++
	evidence := func() rules.Evidence {
		e := w.event(calls)
		return rules.Evidence{Call: e, Severity: pick(w.r, "", rules.Info, rules.Critical)}
	}
	t := rules.Transition{Step: rules.StepUpdated, At: time.Now().UTC(), Incident: rules.Incident{
		ID: "inc_" + rule, Rule: rule, Severity: rules.Warning, OpenedAt: time.Now().UTC(), Opening: evidence(), Latest: evidence(), Worst: evidence(),
	}}
	data, err := json.Marshal(&t)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.PutTransition(w.t.Context(), rule, "", stream.Cause{Seq: w.cause}, data); err != nil {
		w.t.Fatal(err)
	}
}

// erase removes the events of a call from the store.
func (w *world) erase(k call.Key) {
	w.t.Helper()
	var seqs []uint64
	err := w.store.EventsOf(w.t.Context(), k.Provider, func(m stream.Message) error {
		if m.CallID() == k.CallID {
			seqs = append(seqs, m.Seq)
		}
		return nil
	})
	if err == nil {
		err = w.store.EraseEvents(w.t.Context(), time.Now(), seqs)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// expire removes the first events from the store, as retention does.
func (w *world) expire(n uint64) {
	w.t.Helper()
	ends, err := w.store.Ends(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var seqs []uint64
	for seq := ends.First; seq < ends.First+n; seq++ {
		seqs = append(seqs, seq)
	}
	if err := w.store.EraseEvents(w.t.Context(), time.Now(), seqs); err != nil {
		w.t.Fatal(err)
	}
}

// content is everything that a model's file holds, less how far it has come.
func content(t testing.TB, path string) string {
	t.Helper()
	conn, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read
	var b strings.Builder
	for _, table := range []string{"calls", "aliases", "steps", "named", "hours", "corrections"} {
		err := sqlitefile.Each(conn, "SELECT * FROM "+table+" ORDER BY 1, 2", nil, func(s *sqlite3.Stmt) (bool, error) {
			fmt.Fprintf(&b, "%s:", table)
			for i := range s.ColumnCount() {
				if s.ColumnType(i) == sqlite3.BLOB {
					fmt.Fprintf(&b, " %s=%x", s.ColumnName(i), s.ColumnRawBlob(i))
				} else if v := valueOf(s, i); v != nil {
					fmt.Fprintf(&b, " %s=%v", s.ColumnName(i), v)
				}
			}
			b.WriteByte('\n')
			return true, nil
		})
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	return b.String()
}
