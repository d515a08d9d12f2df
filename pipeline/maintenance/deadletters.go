package maintenance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"callwatch/handlers/backend"
	"callwatch/stream"
	"callwatch/stream/frame"
)

const (
	// MaxDeadLetters is how many dead letters are listed or replayed at once.
	MaxDeadLetters = 100_000
	maxShownBody   = 256 << 10 // of a dead letter's body, in bytes
)

// deadLetters are the latest dead letters, newest first.
func (m *Maintenance) deadLetters(ctx context.Context, params url.Values) ([]backend.DeadLetter, error) {
	limit, err := strconv.Atoi(params.Get("limit"))
	if err != nil || limit < 1 || limit > MaxDeadLetters {
		return nil, refuse("the limit is a number from 1 to %d", MaxDeadLetters)
	}
	stored, err := m.cfg.Store.DeadLetters(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	out := make([]backend.DeadLetter, len(stored))
	for i := range stored {
		out[i] = shownLetter(&stored[i])
	}
	return out, nil
}

func shownLetter(d *stream.DeadLetter) backend.DeadLetter {
	return backend.DeadLetter{RawID: d.RawID, Provider: d.Provider, Account: d.Account, Kind: d.Kind, Error: d.Error, Time: d.Time}
}

// DeadLetterPage is a dead letter with its body.
type DeadLetterPage struct {
	backend.DeadLetter
	Source      string `json:"source"`
	ContentType string `json:"contentType"`
	Size        int    `json:"size"` // of the whole body, in bytes
	Body        string `json:"body"` // its beginning, what is no UTF-8 replaced
}

func (m *Maintenance) deadLetterPage(ctx context.Context, id string) (DeadLetterPage, error) {
	stored, err := m.cfg.Store.DeadLetters(ctx, MaxDeadLetters)
	if err != nil {
		return DeadLetterPage{}, fmt.Errorf("read dead letters: %w", err)
	}
	i := slices.IndexFunc(stored, func(d stream.DeadLetter) bool { return d.RawID == id })
	if i < 0 {
		return DeadLetterPage{}, refuse("there is no dead letter %.40q", id)
	}
	page := DeadLetterPage{DeadLetter: shownLetter(&stored[i])}
	r, err := m.cfg.Store.Record(ctx, id)
	if errors.Is(err, stream.ErrNotFound) {
		return page, nil
	}
	if err != nil {
		return DeadLetterPage{}, fmt.Errorf("read the body: %w", err)
	}
	page.Source, page.ContentType, page.Size = r.Source, r.ContentType, len(r.Body)
	page.Body = strings.ToValidUTF8(string(r.Body[:min(len(r.Body), maxShownBody)]), string(utf8.RuneError))
	return page, nil
}

// ReplayDeadLetters normalizes dead letters again, all of them if ids is nil. A body
// that can be normalized now is appended to RAW as a replay of the old record, where
// the normalizing stage finds it: its events have the ids that they would have had,
// so that a repeated replay changes nothing. One that still cannot stays a dead
// letter, with the present reason.
func (m *Maintenance) ReplayDeadLetters(ctx context.Context, ids []string) (backend.Replayed, error) {
	var done backend.Replayed
	letters, err := m.cfg.Store.DeadLetters(ctx, MaxDeadLetters)
	if err != nil {
		return done, fmt.Errorf("read dead letters: %w", err)
	}
	slices.Reverse(letters) // in the order in which they came
	if ids != nil {
		letters = slices.DeleteFunc(letters, func(d stream.DeadLetter) bool { return !slices.Contains(ids, d.RawID) })
		for _, id := range ids {
			if !slices.ContainsFunc(letters, func(d stream.DeadLetter) bool { return d.RawID == id }) {
				return done, refuse("there is no dead letter %.40q", id)
			}
		}
	}
	var last uint64
	for _, d := range letters {
		done.Tried++
		at, reason, err := m.replayLetter(ctx, d)
		switch {
		case err != nil:
			return done, fmt.Errorf("replay %s: %w", d.RawID, err)
		case reason != nil:
			done.Failed++
			d.Error = reason.Error()
			err = m.cfg.Store.PutDeadLetter(ctx, d)
		default:
			done.Fixed++
			last = max(last, at.Seq)
			err = m.cfg.Store.DropDeadLetter(ctx, d.Provider, d.Raw)
		}
		if err != nil {
			return done, err
		}
	}
	if last == 0 {
		return done, nil
	}
	return done, m.cfg.Stages.Normalized(ctx, last)
}

// replayLetter appends the body of a dead letter if it can be normalized now; reason
// is why it cannot.
func (m *Maintenance) replayLetter(ctx context.Context, d stream.DeadLetter) (at stream.Position, reason, err error) {
	r, err := m.cfg.Store.Record(ctx, d.RawID)
	if errors.Is(err, stream.ErrNotFound) {
		return at, errors.New("the body is no longer stored"), nil
	}
	if err != nil {
		return at, nil, err
	}
	events, reason := m.cfg.Events(&r)
	if reason != nil || len(events) == 0 {
		return at, reason, nil
	}
	r.Replays = r.At
	id, err := m.cfg.Store.Append(ctx, r)
	if err == nil {
		at, err = frame.ParsePosition(id)
	}
	return at, nil, err
}
