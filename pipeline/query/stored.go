package query

import (
	"context"
	"errors"
	"fmt"

	"callwatch/handlers/backend"
	"callwatch/stream/frame"
)

const mostDeadLetters = 1000

func (r *Reader) body(ctx context.Context, rawID string) (backend.Body, error) {
	if _, err := frame.ParsePosition(rawID); err != nil {
		return backend.Body{}, fmt.Errorf("%w: %w", backend.ErrNotFound, err)
	}
	record, err := r.cfg.Store.Record(ctx, rawID)
	if err != nil {
		return backend.Body{}, notFound(err)
	}
	return backend.Body{
		RawID: record.ID(), Provider: record.Provider, Account: record.Account, Source: record.Source, ContentType: record.ContentType, ReceivedAt: record.ReceivedAt, Bytes: record.Body,
	}, nil
}

func (r *Reader) deadLetters(ctx context.Context, limit int) ([]backend.DeadLetter, error) {
	if limit < 1 {
		return nil, errors.New("dead letters: the limit is below 1")
	}
	stored, err := r.cfg.Store.DeadLetters(ctx, min(limit, mostDeadLetters))
	if err != nil {
		return nil, err
	}
	found := make([]backend.DeadLetter, len(stored))
	for i, d := range stored {
		found[i] = backend.DeadLetter{RawID: d.RawID, Provider: d.Provider, Account: d.Account, Kind: d.Kind, Error: d.Error, Time: d.Time}
	}
	return found, nil
}
