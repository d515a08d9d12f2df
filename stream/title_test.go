package stream

import (
	"context"
	"strings"
	"testing"
	"time"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// TestStreamsAndConsumersSayWhatTheyAre: who lists them by another tool reads what each is
// for; a stream of an older callwatch gets its description, one that its operator wrote stays.
func TestStreamsAndConsumersSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	following := make(chan error, 1)
	go func() {
		c := jet.Cursor{Conn: s.conn, Stream: names.AlertStream, Next: 1, Batch: 1, Deliver: nil}
		following <- c.Run(ctx)
	}()
	var consumers int
	for begun := time.Now(); consumers == 0 && time.Since(begun) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
		for info := range s.alerts.ListConsumers(t.Context()).Info() {
			consumers++
			if !strings.HasPrefix(info.Name, "callwatch-follow-") || !strings.HasPrefix(info.Config.Description, "callwatch: follows the stream") {
				t.Errorf("a consumer is %q: %q", info.Name, info.Config.Description)
			}
		}
	}
	if consumers == 0 {
		t.Error("nothing follows the stream")
	}
	stop()
	if err := <-following; err == nil {
		t.Error("it followed no longer than what is stored")
	}
	streams := 0
	for info := range s.conn.JS.ListStreams(t.Context()).Info() {
		streams++
		if !strings.HasPrefix(info.Config.Description, "callwatch: ") {
			t.Errorf("stream %s is described as %q", info.Config.Name, info.Config.Description)
		}
	}
	if streams < 6 {
		t.Errorf("only %d streams", streams)
	}
	for description, want := range map[string]string{"": "callwatch: transitions of incidents", "ours": "ours"} {
		config := s.alerts.CachedInfo().Config
		config.Description = description
		if _, err := s.conn.JS.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		config.Description = "callwatch: transitions of incidents"
		st, err := s.ensure(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.CachedInfo().Config.Description; got != want {
			t.Errorf("described as %q it becomes %q", description, got)
		}
	}
}
