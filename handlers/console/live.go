package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/format"
	"callwatch/handlers/console/sse"
	"callwatch/rules"
)

const (
	firstRows = 100 // of the Live page, before any comes by itself

	// sparkEvents are looked at for the minutes before the page was opened.
	sparkEvents = 500

	// maxBehind bounds what a browser that was away is sent: what lies before is
	// skipped, and the page says how much.
	maxBehind = 5000

	batchTime = 100 * time.Millisecond // events of which are sent together
	batchRows = 200
)

type liveView struct {
	Filter   string
	Problems rules.Problems
	Events   []backend.StoredEvent
	Next     uint64
	After    uint64   // where the stream goes on
	Still    bool     // older ones: nothing comes by itself
	Each     bool     // each event has its row, instead of each call
	Minutes  []minute // known so far, oldest first
}

// minute is the events of one minute by what their MOS felt like.
type minute struct {
	Start int64          `json:"t"` // Unix time in minutes
	Bands map[string]int `json:"n"`
}

// live shows the newest events; its script adds those that come.
func (c *console) live(ec echo.Context) error {
	ctx := ec.Request().Context()
	v := liveView{Filter: ec.QueryParam("filter"), Each: ec.QueryParam("events") != ""}
	q := backend.EventQuery{Filter: v.Filter, Limit: sparkEvents}
	q.Before, _ = strconv.ParseUint(ec.QueryParam("before"), 10, 64) // else from the end
	if v.Filter != "" {
		if _, v.Problems = rules.ParseFilter(v.Filter); v.Problems.Errors() {
			return c.page(ec, http.StatusUnprocessableEntity, "live", view{Title: "Live", At: "live", Body: v})
		}
	}
	ends, err := c.History.Ends(ctx)
	if err != nil {
		return failed(err, "event")
	}
	page, err := c.History.Events(ctx, q)
	if err != nil {
		return failed(err, "event")
	}
	v.After, v.Still = ends.Events, q.Before > 0
	if len(page.Events) > 0 {
		v.After = max(v.After, page.Events[0].Seq)
	}
	if !v.Still {
		v.Minutes = minutes(page.Events, c.Now())
	}
	v.Events, v.Next = page.Events, page.Next
	if len(v.Events) > firstRows {
		v.Events = v.Events[:firstRows]
		v.Next = v.Events[firstRows-1].Seq
	}
	if !v.Each {
		v.Events = foldCalls(v.Events)
	}
	return c.page(ec, http.StatusOK, "live", view{Title: "Live", At: "live", Body: v})
}

// foldCalls makes one row of the events of a call, at the place of the newest one:
// what is known of it by those events.
func foldCalls(events []backend.StoredEvent) []backend.StoredEvent {
	folded := map[call.Key]*call.Call{}
	for i := len(events) - 1; i >= 0; i-- {
		k := events[i].Event.Key()
		if folded[k] == nil {
			folded[k] = &call.Call{}
		}
		folded[k].Fold(&events[i].Event, "")
	}
	rows := make([]backend.StoredEvent, 0, len(folded))
	for i := range events {
		k := events[i].Event.Key()
		if folded[k] == nil {
			continue // its row is there
		}
		row := events[i]
		kind := row.Event.Kind
		row.Event = folded[k].Event
		row.Event.Kind = kind
		rows, folded[k] = append(rows, row), nil
	}
	return rows
}

// minutes counts events, newest first, of the last hour.
func minutes(events []backend.StoredEvent, now time.Time) []minute {
	var counted []minute
	for i := len(events) - 1; i >= 0; i-- {
		t := events[i].At.Unix() / 60
		if t <= now.Unix()/60-60 {
			continue
		}
		if n := len(counted); n == 0 || counted[n-1].Start < t {
			counted = append(counted, minute{t, map[string]int{}})
		}
		counted[len(counted)-1].Bands[format.Band(events[i].Event.MOS)]++
	}
	return counted
}

// streamEvents sends events as rows of the table, several together. The id of
// each message is the sequence of its last event, so that a browser that was cut
// off goes on behind it without loss.
func (c *console) streamEvents(ec echo.Context) error {
	ctx, cancel := context.WithCancel(ec.Request().Context())
	defer cancel()
	q := backend.EventQuery{Filter: ec.QueryParam("filter")}
	if q.Filter != "" {
		if _, problems := rules.ParseFilter(q.Filter); problems.Errors() {
			return failed(problems, "event")
		}
	}
	ends, err := c.History.Ends(ctx)
	if err != nil {
		return failed(err, "event")
	}
	q.After = resumeAt(ec, ends.Events)
	skipped := uint64(0)
	if behind := ends.Events - q.After; behind > maxBehind {
		skipped = behind - maxBehind
		q.After += skipped
	}
	to, done, err := c.openStream(ec)
	if err != nil {
		return err
	}
	defer done()
	if skipped > 0 {
		to.Send(q.After, "gap", strconv.FormatUint(skipped, 10))
	}

	events := make(chan backend.StoredEvent, batchRows)
	followed := make(chan error, 1)
	go func() {
		followed <- c.History.Follow(ctx, q, func(e backend.StoredEvent) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err = c.sendRows(to, events, followed)
	cancel()
	if err != nil && ec.Request().Context().Err() == nil && to.Err() == nil {
		c.Log.Warn("stream ended", "err", err)
	}
	return nil
}

// sendRows sends what comes until following or the connection ends.
func (c *console) sendRows(to *sse.Stream, events <-chan backend.StoredEvent, followed <-chan error) error {
	beat := time.NewTicker(sse.Heartbeat)
	defer beat.Stop()
	for to.Err() == nil {
		select {
		case err := <-followed:
			return err
		case <-beat.C:
			to.Beat()
		case e := <-events:
			batch := []backend.StoredEvent{e}
			for full := time.After(batchTime); len(batch) < batchRows && full != nil; {
				select {
				case e := <-events:
					batch = append(batch, e)
				case <-full:
					full = nil
				}
			}
			var rows strings.Builder
			for i := len(batch) - 1; i >= 0; i-- {
				row, err := c.html(access.Viewer, "live", "event-row", batch[i])
				if err != nil {
					return err
				}
				rows.WriteString(row)
			}
			to.Send(batch[len(batch)-1].Seq, "rows", rows.String())
		}
	}
	return to.Err()
}

// resumeAt is the sequence behind which a stream goes on: what the browser saw
// last, by itself on a reconnect or by the page's own account. One that was never
// stored counts as the last.
func resumeAt(ec echo.Context, last uint64) uint64 {
	for _, id := range []string{ec.Request().Header.Get("Last-Event-ID"), ec.QueryParam("after")} {
		if seq, err := strconv.ParseUint(id, 10, 64); err == nil {
			return min(seq, last)
		}
	}
	return last
}

// streamIncidents tells the page of each transition; the page then asks for what
// it shows.
func (c *console) streamIncidents(ec echo.Context) error {
	ctx := ec.Request().Context()
	ends, err := c.History.Ends(ctx)
	if err != nil {
		return failed(err, "incident")
	}
	to, done, err := c.openStream(ec)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beating := to.KeepAlive(ctx, cancel)
	err = c.History.FollowIncidents(ctx, resumeAt(ec, ends.Transitions), func(t backend.StoredTransition) error {
		to.Send(t.Seq, "transition", t.Transition.Incident.ID)
		return to.Err()
	})
	cancel()
	<-beating
	if err != nil && !errors.Is(err, context.Canceled) && to.Err() == nil {
		c.Log.Warn("stream ended", "err", err)
	}
	return nil
}

// openStream begins a stream; done gives its place back.
func (c *console) openStream(ec echo.Context) (to *sse.Stream, done func(), err error) {
	if c.streams.Add(1) > int64(c.Streams) {
		c.streams.Add(-1)
		return nil, nil, &failure{status: http.StatusServiceUnavailable, title: "Too many pages are open", detail: "Close some of them: each follows what happens."}
	}
	return sse.Open(ec.Response()), func() { c.streams.Add(-1) }, nil
}
