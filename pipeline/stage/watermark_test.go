package stage

import (
	"context"
	"log/slog"
	"testing"

	"callwatch/stream"
)

// A watermark that another process stored since it was read is not overwritten.
func TestWatermarkOfAnotherProcess(t *testing.T) {
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	bucket, err := store.Bucket(t.Context(), "stage")
	if err != nil {
		t.Fatal(err)
	}
	load := func() *Watermark {
		w, err := LoadWatermark(t.Context(), bucket, "seen")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first, second := load(), load()
	if first.At != 0 || first.Rev != 0 {
		t.Errorf("of an empty bucket: %+v", first)
	}
	if ok, err := first.Save(t.Context(), 7); !ok || err != nil {
		t.Errorf("saved: %v, %v", ok, err)
	}
	if ok, err := second.Save(t.Context(), 3); ok || err != nil {
		t.Errorf("saved over another one: %v, %v", ok, err)
	}
	if err := second.load(t.Context()); err != nil || second.At != 7 {
		t.Errorf("read again: %d, %v", second.At, err)
	}
	if ok, err := second.Save(t.Context(), 9); !ok || err != nil || load().At != 9 {
		t.Errorf("saved behind another one: %v, %v, %d", ok, err, load().At)
	}
}
