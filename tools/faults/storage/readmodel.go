package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"callwatch/tools/faults/rig"
)

// ModelRow kills callwatch while the read model is fed and while it is built, and
// damages or deletes its file. Webhooks are taken all the time, and in the end lists and
// figures are those of a file that is built from nothing.
func ModelRow(t *rig.Trial) error {
	r, err := t.Rig(8, 0.3)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Setenv("CALLWATCH_ADMIN_TOKEN", rig.AdminToken)
	r.Load.Rate = 200
	if err := r.Begin(); err != nil {
		return err
	}
	file := filepath.Join(r.Data, "readmodel.db")
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
			if err := r.Start(); err != nil {
				return err
			}
			time.Sleep(time.Duration(r.Dice.IntN(300)) * time.Millisecond)
			r.Kill()
			return nil
		}},
		{"cut short", func() error {
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, r.Dice.Int64N(info.Size()))
		}},
		{"a bit flipped in each page", func() error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for at := 0; at < len(b); at += 4096 {
				b[at+r.Dice.IntN(min(4096, len(b)-at))] ^= 1 << r.Dice.IntN(8)
			}
			return os.WriteFile(file, b, 0o600)
		}},
		{"something else", func() error { return os.WriteFile(file, []byte("this is no database"), 0o600) }},
	}
	faults := 0
	for range t.Times(1, 10) {
		for _, d := range damages {
			if err := r.Taken(100 + r.Dice.Int64N(100)); err != nil {
				return err
			}
			r.Kill()
			if err := d.do(); err != nil && !errors.Is(err, os.ErrNotExist) { // it was killed before there was a file
				return fmt.Errorf("%s: %w", d.name, err)
			}
			faults++
			if err := r.Start(); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if err := r.Taken(20); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if err := modelled(r, t, 200); err != nil { // webhooks go on
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	r.Load.End()
	if err := errors.Join(r.Settled(t.Patience()), modelled(r, t, 0)); err != nil {
		return err
	}
	time.Sleep(4 * time.Second) // while the stages are busy the feed pauses for 3 s at most
	if err := modelled(r, t, 0); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Hour)
	grown, err := model(r, now)
	if err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	if err := errors.Join(os.Remove(file), r.Start()); err != nil {
		return err
	}
	if err := modelled(r, t, 0); err != nil {
		return err
	}
	built, err := model(r, now)
	if err != nil {
		return err
	}
	differ := 0
	for id, row := range built {
		if grown[id] != row {
			if differ++; differ == 1 {
				t.Say("grown %s\nbuilt %s", grown[id], row)
			}
		}
	}
	differ += max(0, len(grown)-len(built))
	if err := t.Finish(r.Product, r.Checker, "%d faults of 6 kinds, %d calls in the read model, %d other than in one that is built again", faults, len(built), differ); err != nil {
		return err
	}
	if differ > 0 || len(built) == 0 {
		return fmt.Errorf("%d of %d calls differ", differ, len(built))
	}
	return nil
}

// modelled waits until the read model is built and lacks so many messages at most.
func modelled(r *rig.Rig, t *rig.Trial, behind uint64) error {
	return r.Await("the read model is built", t.Patience(), func() bool {
		var status struct {
			Model *struct {
				Event    uint64
				Behind   uint64
				Building bool
			} `json:"readModel"`
		}
		return json.Unmarshal([]byte(r.Status()), &status) == nil && status.Model != nil && status.Model.Event > 0 && !status.Model.Building && status.Model.Behind <= behind
	})
}

// model is all calls of the read model as they are answered, and the figures of the days
// around an hour, which must be the same in both readings.
func model(r *rig.Rig, now time.Time) (map[string]string, error) {
	all := map[string]string{}
	for _, by := range []string{"provider", "region", "codec"} {
		var figures json.RawMessage
		path := fmt.Sprintf("/api/v1/stats?by=%s&byProvider=true&since=%s&until=%s", by, now.Add(-14*24*time.Hour).Format(time.RFC3339), now.Add(24*time.Hour).Format(time.RFC3339))
		if err := ask(r, path, &figures); err != nil {
			return nil, err
		}
		all["figures by "+by] = string(figures)
	}
	for cursor := ""; ; {
		var page struct {
			Calls []json.RawMessage
			Next  string
		}
		if err := ask(r, "/api/v1/calls?limit=1000&cursor="+cursor, &page); err != nil {
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

func ask(r *rig.Rig, path string, into any) error {
	req, err := http.NewRequestWithContext(r.T, http.MethodGet, r.URL()+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+rig.AdminToken)
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
