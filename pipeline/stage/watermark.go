package stage

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"callwatch/stream"
)

// watermarkEvery is how often a stage stores how far it has come.
const watermarkEvery = 5 * time.Second

// Watermark is how far a stage has processed its stream, kept in a bucket. It only
// bounds what the stage looks at again after a restart.
type Watermark struct {
	bucket *stream.Bucket
	key    string
	At     uint64 // as stored
	Rev    uint64 // 0: none is stored
}

// LoadWatermark reads the stored watermark; another replica may have stored it.
func LoadWatermark(ctx context.Context, bucket *stream.Bucket, key string) (*Watermark, error) {
	w := &Watermark{bucket: bucket, key: key}
	if err := w.load(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Watermark) load(ctx context.Context) error {
	value, rev, err := w.bucket.Load(ctx, w.key)
	if err != nil {
		return fmt.Errorf("read the watermark %s: %w", w.key, err)
	}
	w.Rev = rev
	w.At, _ = strconv.ParseUint(string(value), 10, 64)
	return nil
}

// Save stores a watermark unless another process has stored one since it was loaded.
func (w *Watermark) Save(ctx context.Context, at uint64) (ok bool, err error) {
	rev, ok, err := w.bucket.Save(ctx, w.key, []byte(strconv.FormatUint(at, 10)), w.Rev)
	if err != nil {
		return false, fmt.Errorf("store the watermark %s: %w", w.key, err)
	}
	if ok {
		w.At, w.Rev = at, rev
	}
	return ok, nil
}

// Keep stores the present watermark from time to time until ctx ends. It is the
// only user of w while it runs.
func (w *Watermark) Keep(ctx context.Context, log *slog.Logger, present func() uint64) {
	every := time.NewTicker(watermarkEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		at := present()
		if at <= w.At {
			continue
		}
		if ok, err := w.Save(ctx, at); ok {
			continue
		} else if err != nil {
			log.Debug("the watermark is not stored", "key", w.key, "err", err)
		}
		if err := w.load(ctx); err != nil {
			log.Debug("the watermark is not read", "key", w.key, "err", err)
		}
	}
}
