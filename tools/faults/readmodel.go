package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// modelRow kills callwatch while the read model is fed and while it is built, and
// damages or deletes its file. Webhooks are taken all the time, and in the end lists and
// figures are those of a file that is built from nothing.
func modelRow(t *trial) error {
	r, err := t.rig(8, 0.3)
	if err != nil {
		return err
	}
	defer r.close()
	r.setenv("CALLWATCH_ADMIN_TOKEN", adminToken)
	r.l.rate = 200
	if err := r.begin(); err != nil {
		return err
	}
	file := filepath.Join(r.data, "readmodel.db")
	damages := []struct {
		name string
		do   func() error
	}{
		{"killed while it is fed", func() error { return nil }},
		{"deleted", func() error { return os.Remove(file) }},
		{"deleted, and killed while it is built", func() error {
			if err := os.Remove(file); err != nil {
				return err
			}
			if err := r.start(); err != nil {
				return err
			}
			time.Sleep(time.Duration(r.dice.IntN(300)) * time.Millisecond)
			r.kill()
			return nil
		}},
		{"cut short", func() error {
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, r.dice.Int64N(info.Size()))
		}},
		{"a bit flipped in each page", func() error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for at := 0; at < len(b); at += 4096 {
				b[at+r.dice.IntN(min(4096, len(b)-at))] ^= 1 << r.dice.IntN(8)
			}
			return os.WriteFile(file, b, 0o600)
		}},
		{"something else", func() error { return os.WriteFile(file, []byte("this is no database"), 0o600) }},
	}
	faults := 0
	for range t.times(1, 10) {
		for _, d := range damages {
			if err := r.taken(100 + r.dice.Int64N(100)); err != nil {
				return err
			}
			r.kill()
			if err := d.do(); err != nil && !errors.Is(err, os.ErrNotExist) { // it was killed before there was a file
				return fmt.Errorf("%s: %w", d.name, err)
			}
			faults++
			if err := r.start(); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if err := r.taken(20); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if err := r.modelled(t, 200); err != nil { // webhooks go on
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	r.l.end()
	if err := errors.Join(r.settled(t.patience()), r.modelled(t, 0)); err != nil {
		return err
	}
	time.Sleep(4 * time.Second) // while the stages are busy the feed pauses for 3 s at most
	if err := r.modelled(t, 0); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Hour)
	grown, err := r.model(now)
	if err != nil {
		return err
	}
	if err := r.stop(); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(file), r.start()); err != nil {
		return err
	}
	if err := r.modelled(t, 0); err != nil {
		return err
	}
	built, err := r.model(now)
	if err != nil {
		return err
	}
	differ := 0
	for id, row := range built {
		if grown[id] != row {
			if differ++; differ == 1 {
				t.say("grown %s\nbuilt %s", grown[id], row)
			}
		}
	}
	differ += max(0, len(grown)-len(built))
	if err := t.finish(r.product, r.w, "%d faults of 6 kinds, %d calls in the read model, %d other than in one that is built again", faults, len(built), differ); err != nil {
		return err
	}
	if differ > 0 || len(built) == 0 {
		return fmt.Errorf("%d of %d calls differ", differ, len(built))
	}
	return nil
}

// modelled waits until the read model is built and lacks so many messages at most.
func (r *rig) modelled(t *trial, behind uint64) error {
	return r.await("the read model is built", t.patience(), func() bool {
		var status struct {
			Model *struct {
				Event    uint64
				Behind   uint64
				Building bool
			} `json:"readModel"`
		}
		return json.Unmarshal([]byte(r.status()), &status) == nil && status.Model != nil && status.Model.Event > 0 && !status.Model.Building && status.Model.Behind <= behind
	})
}

// model is all calls of the read model as they are answered, and the figures of the days
// around an hour, which must be the same in both readings.
func (r *rig) model(now time.Time) (map[string]string, error) {
	all := map[string]string{}
	for _, by := range []string{"provider", "region", "codec"} {
		var figures json.RawMessage
		path := fmt.Sprintf("/api/v1/stats?by=%s&byProvider=true&since=%s&until=%s", by, now.Add(-14*24*time.Hour).Format(time.RFC3339), now.Add(24*time.Hour).Format(time.RFC3339))
		if err := r.ask(path, &figures); err != nil {
			return nil, err
		}
		all["figures by "+by] = string(figures)
	}
	for cursor := ""; ; {
		var page struct {
			Calls []json.RawMessage
			Next  string
		}
		if err := r.ask("/api/v1/calls?limit=1000&cursor="+cursor, &page); err != nil {
			return nil, err
		}
		for _, row := range page.Calls {
			var k struct {
				Call struct{ Provider, CallID string }
			}
			if err := json.Unmarshal(row, &k); err != nil {
				return nil, err
			}
			all[k.Call.Provider+"/"+k.Call.CallID] = string(row)
		}
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

func (r *rig) ask(path string, into any) error {
	req, err := http.NewRequestWithContext(r.t, http.MethodGet, r.url()+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", path, res.Status, b)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
