package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/pipeline/readmodel"
	"callwatch/rules"
	"callwatch/stream"
)

const (
	pagesSpan  = 14 * 24 * time.Hour // over which the calls are spread
	pagesTimes = 9                   // of each query; the median counts
	pagesBatch = 10_000
)

// pages measures what the console asks the read model, on -events calls.
func pages(ctx context.Context, o *options) (err error) {
	dir := filepath.Join(o.scratch, "pages")
	store, err := stream.Open(ctx, stream.Config{Dir: dir, Durability: stream.OS, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	now := time.Now().UTC()
	if err := storeCalls(ctx, store, o.events, now); err != nil {
		return err
	}
	m := readmodel.New(readmodel.Config{Path: filepath.Join(dir, "readmodel.db"), Store: store, Log: slog.New(slog.DiscardHandler)})
	feeding, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	begun, used := time.Now(), cpuOf(os.Getpid())
	go func() { ended <- m.Run(feeding) }()
	defer func() {
		stop()
		if stopped := <-ended; err == nil && !errors.Is(stopped, context.Canceled) {
			err = stopped
		}
	}()
	if err := m.Current(ctx); err != nil {
		return err
	}
	took, used := time.Since(begun), cpuOf(os.Getpid())-used
	info, err := os.Stat(filepath.Join(dir, "readmodel.db"))
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%d calls, file of %d MB, built in %.1f s with %.1f s of a processor: %.0f events/s\n\n", o.events, info.Size()>>20, took.Seconds(), used.Seconds(), float64(o.events)/took.Seconds())
	fmt.Fprintln(o.out, "| query | median | calls found |\n| --- | ---: | ---: |")
	day, week := now.Add(-24*time.Hour), now.Add(-7*24*time.Hour)
	list := func(q backend.CallQuery) func() (int64, error) {
		return func() (int64, error) {
			p, err := m.Calls(ctx, q)
			return int64(len(p.Calls)), err
		}
	}
	stats := func(q backend.StatsQuery) func() (int64, error) {
		return func() (int64, error) {
			s, err := m.Stats(ctx, q)
			return s.Total.Calls, err
		}
	}
	for _, q := range []struct {
		name string
		run  func() (int64, error)
	}{
		{"Overview of 24 h: region by provider, with the day before and a series", stats(backend.StatsQuery{Since: day, Until: now, By: "region", ByProvider: true, Bucket: time.Hour, Compare: true})},
		{"Overview of 7 d", stats(backend.StatsQuery{Since: week, Until: now, By: "region", ByProvider: true, Bucket: time.Hour, Compare: true})},
		{"Overview of 1 h, from calls", stats(backend.StatsQuery{Since: now.Add(-time.Hour), Until: now, By: "region", ByProvider: true, Bucket: 5 * time.Minute, Compare: true})},
		{"what changed in 24 h, all dimensions", func() (int64, error) {
			c, err := m.Changes(ctx, backend.StatsQuery{Since: day, Until: now})
			return int64(len(c)), err
		}},
		{"calls of 24 h, newest first", list(backend.CallQuery{Since: day, Until: now})},
		{"calls of 24 h, lowest MOS first", list(backend.CallQuery{Since: day, Until: now, Sort: "mos"})},
		{"calls of 24 h, most loss first (no index)", list(backend.CallQuery{Since: day, Until: now, Sort: "packetLossPct", Desc: true})},
		{"calls of 24 h, filter mos < 2 && provider == \"acme\"", list(backend.CallQuery{Since: day, Until: now, Filter: `mos < 2 && provider == "acme"`})},
		{"search +1 415 555 0187", list(backend.CallQuery{Search: "+1 415 555 0187"})},
		{"search 0187", list(backend.CallQuery{Search: "0187"})},
		{"search of a call's id", list(backend.CallQuery{Search: fmt.Sprintf("call-%08x-0000-%06d", 77*7919, 77)})},
		{"search of an agent's name", list(backend.CallQuery{Search: "agent-7"})},
		{"filter of all calls in the database: packetLossPct > 9.999 && jitterMs > 49", list(backend.CallQuery{Filter: "packetLossPct > 9.999 && jitterMs > 49"})},
		{"filter of all calls in Go: packetLossPct * jitterMs > 499", list(backend.CallQuery{Filter: "packetLossPct * jitterMs > 499"})},
	} {
		took := make([]time.Duration, pagesTimes)
		var found int64
		for i := range took {
			begun := time.Now()
			if found, err = q.run(); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			took[i] = time.Since(begun)
		}
		slices.Sort(took)
		fmt.Fprintf(o.out, "| %s | %.1f ms | %d |\n", q.name, float64(took[pagesTimes/2].Microseconds())/1000, found)
	}
	return consolePages(ctx, o, store, m)
}

// consolePages measures whole pages of the console, as a browser asks for them.
func consolePages(ctx context.Context, o *options, store *stream.Store, m *readmodel.Model) error {
	history := &backend.History{
		Model: m.ReadModel(),
		Ends: func(ctx context.Context) (backend.Ends, error) {
			ends, err := store.Ends(ctx)
			return backend.Ends{Events: ends.Last, Transitions: ends.LastTransition}, err
		},
		Status: func(context.Context) backend.Status {
			var s backend.Status
			for _, name := range benchProviders() {
				s.Providers = append(s.Providers, backend.ProviderStatus{Name: name, Title: name})
			}
			return s
		},
	}
	server, err := handlers.Listen("127.0.0.1:0", handlers.Config{Dev: true, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), API: &api.API{
		History: history, Open: func() []rules.Incident { return nil }, Silences: func() []rules.Silence { return nil },
		Rules: func() backend.RulesFile { return backend.RulesFile{} },
	}})
	if err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve() // ends with the rows
	}()
	defer func() {
		_ = server.Shutdown(context.WithoutCancel(ctx))
		<-served
	}()
	fmt.Fprintln(o.out, "\n| page | median | size | wanted |\n| --- | ---: | ---: | ---: |")
	for _, page := range []struct {
		name, path string
		most       time.Duration
	}{
		{"Overview of 24 h", "/", 100 * time.Millisecond},
		{"Overview of 7 d", "/?range=7d", 300 * time.Millisecond},
		{"Calls of 24 h", "/calls", 200 * time.Millisecond},
		{"Calls of 24 h, lowest MOS first", "/calls?sort=mos", 200 * time.Millisecond},
		{"Calls of 24 h of a provider", "/calls?filter=" + url.QueryEscape(`provider == "acme"`), 200 * time.Millisecond},
		{"Calls, search of a number", "/calls?range=7d&q=" + url.QueryEscape("+1 415 555 0187"), 50 * time.Millisecond},
		{"Calls, search of last digits", "/calls?range=7d&q=0187", 50 * time.Millisecond},
		{"Calls, search of an agent", "/calls?range=7d&q=agent-7", 50 * time.Millisecond},
	} {
		took := make([]time.Duration, pagesTimes)
		var size int64
		for i := range took {
			begun := time.Now()
			if size, err = get(ctx, "http://"+server.Addr().String()+page.path); err != nil {
				return err
			}
			took[i] = time.Since(begun)
		}
		slices.Sort(took)
		met := "met"
		if took[pagesTimes/2] > page.most {
			met = "missed"
		}
		fmt.Fprintf(o.out, "| %s | %.1f ms | %d KB | %v, %s |\n", page.name, float64(took[pagesTimes/2].Microseconds())/1000, size>>10, page.most, met)
	}
	return nil
}

func get(ctx context.Context, url string) (size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return size, err
}

func benchProviders() []string { return []string{"acme", "bell", "tele", "voip", "wave"} }

// storeCalls stores calls of the last days, one event each, in the order of their time.
func storeCalls(ctx context.Context, store *stream.Store, calls int, now time.Time) error {
	if _, _, _, err := store.LastPublished(ctx); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 2))
	var batch []stream.Event
	for n := range calls {
		e := benchCall(r, n, now.Add(-time.Duration(float64(pagesSpan)*float64(calls-n)/float64(calls))))
		data, err := e.JSON()
		if err != nil {
			return err
		}
		if !json.Valid(data) {
			return errors.New("an event is no JSON")
		}
		batch = append(batch, stream.Event{
			Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Time: e.OccurredAt, CountsAt: e.EndedAt,
			Raw: stream.Position{Seq: uint64(n + 1)}, Data: data, //nolint:gosec // counts up
		})
		if len(batch) == pagesBatch || n+1 == calls {
			if err := store.PublishEvents(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	return nil
}

func benchCall(r *rand.Rand, n int, at time.Time) call.Event {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	e := call.Event{Identity: call.Identity{
		ID: fmt.Sprintf("acme:%d", n), Provider: pick(benchProviders()...), Kind: call.Ended, CallID: fmt.Sprintf("call-%08x-0000-%06d", n*7919%1_000_003, n),
		AgentName: fmt.Sprintf("agent-%d", r.IntN(20)), Region: pick("us-east", "us-west", "eu-west", "eu-north", "ap-south", "sa"), OccurredAt: at, ReceivedAt: at, Final: true,
	}}
	e.Direction, e.Codec, e.Status = pick("inbound", "outbound"), pick("opus", "g729", "pcmu"), pick("completed", "completed", "completed", "failed", "busy")
	e.From, e.To = fmt.Sprintf("+1415555%04d", r.IntN(10_000)), fmt.Sprintf("+49%010d", r.Int64N(10_000_000_000))
	e.FromCountry, e.ToCountry = "US", pick("DE", "FR", "GB", "US")
	e.StartedAt, e.AnsweredAt, e.EndedAt = at.Add(-2*time.Minute), at.Add(-110*time.Second), at
	e.Answered = new(e.Status == call.Completed)
	e.MOS, e.PacketLossPct, e.JitterMs = new(1.5+3*r.Float64()), new(10*r.Float64()), new(50*r.Float64())
	e.RTTMs, e.TurnLatencyMs, e.DurationSec, e.Cost, e.CostCurrency = new(300*r.Float64()), new(2000*r.Float64()), new(110.0), new(0.01*r.Float64()), "USD"
	e.PacketsReceived, e.PacketsLost, e.SIPCode = new(int64(5000)), new(int64(r.IntN(500))), new(int64(200))
	return e
}
