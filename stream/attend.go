package stream

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nuid"
)

const (
	attendEvery = 3 * time.Second
	attendAge   = 10 * time.Second // the server forgets who does not come any more
)

// Attend tells all processes that share an external store how much of some work
// (letters, digits and -) this one does, and tells fn how much each of the others
// does, again and again until ctx ends. What it tells is seconds old: it serves to
// spread work, not to decide who does it.
func (s *Store) Attend(ctx context.Context, work string, own func() int, fn func(others []int)) error {
	bucket, err := s.Bucket(ctx, roleBucket)
	if err != nil {
		return err
	}
	a := attendance{bucket: bucket, all: "at-" + work + "-", own: own, seen: map[string]uint64{}}
	a.key = a.all + nuid.Next()
	defer func() {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), roleAnswer)
		defer cancel()
		_ = bucket.Delete(leaving, a.key) // else the server does after attendAge
	}()
	for {
		others, err := a.round(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			fn(others)
		case !errors.Is(err, ErrUnavailable):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(attendEvery):
		}
	}
}

type attendance struct {
	bucket   *Bucket
	all, key string
	own      func() int
	rev      uint64
	seen     map[string]uint64 // revisions of the others' keys
}

// round tells of this process and reads of those others that told since the last.
func (a *attendance) round(ctx context.Context) (others []int, err error) {
	rev, ok, err := a.bucket.SaveFor(ctx, a.key, []byte(strconv.Itoa(a.own())), a.rev, attendAge)
	if err == nil && !ok { // it expired, or an answer was lost
		_, rev, err = a.bucket.Load(ctx, a.key)
	}
	if err != nil {
		return nil, err
	}
	a.rev = rev
	keys, err := a.bucket.Keys(ctx, a.all)
	if err != nil {
		return nil, err
	}
	seen := map[string]uint64{}
	for _, key := range keys {
		if key == a.key {
			continue
		}
		value, rev, err := a.bucket.Load(ctx, key)
		if err != nil {
			return nil, err
		}
		if n, err := strconv.Atoi(string(value)); err == nil && rev != a.seen[key] {
			others = append(others, n)
		}
		seen[key] = rev
	}
	a.seen = seen
	return others, nil
}
