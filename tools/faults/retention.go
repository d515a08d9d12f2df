package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/normalizer"
	"callwatch/rules"
	"callwatch/stream"
)

const (
	retentionToken = "retention-token"
	// badEvery is of how many calls one is bad.
	badEvery = 50
	// padding is of the part of a body that is no part of an event, in bytes: webhooks
	// take more space than events, as large reports do.
	padding = 32_000
)

// retention sends many times what the store may hold: a month of a small
// installation, and more. The oldest webhooks must go, and nothing else be noticed.
func retention(t *trial) error {
	limit := 240 << 20
	if t.short {
		limit = 100 << 20
	}
	var r *rig
	var err error
	if os.Geteuid() == 0 && !t.short { // the file system is the limit
		var d *disk
		if r, d, err = t.rigOnDiskOf(int64(limit)+(96<<20), 32, 0); err != nil {
			return err
		}
		defer func() { _ = d.close() }()
	} else if r, err = t.rig(32, 0); err != nil {
		return err
	}
	defer r.close()
	r.setenv(strings.ToUpper("CALLWATCH_BIRD_"+normalizer.URLToken), retentionToken)
	r.setenv("CALLWATCH_RETENTION_DISK", strconv.Itoa(limit/1_000_000))
	if err := r.start(); err != nil {
		return err
	}
	m := month{rig: r, limit: int64(limit)}
	if err := m.send(3*limit, t.span(5*time.Minute, 30*time.Minute)); err != nil {
		return err
	}
	unsettled := r.settled(t.patience())
	posts, err := r.w.posts()
	if err != nil {
		return err
	}
	if err := errors.Join(r.stop(), m.inspect()); err != nil {
		return err
	}
	t.count("%d MB sent to a store of %d MB, %d webhooks, %d not answered 200, %d MB on the disk at most", m.sent.Load()>>20, limit>>20, m.hooks.Load(), m.refused.Load(), m.most>>20)
	t.count("%d bad calls, %d incidents stored, %d threads in Slack; webhooks from frame %d of %d on, events from frame %d on", m.bad.Load(), m.opened, posts.Roots, m.firstRaw, m.lastRaw, m.firstEvent)
	bad := int(m.bad.Load())
	switch {
	case m.refused.Load() > 0:
		return fmt.Errorf("%d webhooks were not answered 200", m.refused.Load())
	case m.opened != bad || posts.Roots != bad:
		return fmt.Errorf("of %d bad calls %d are incidents and %d threads", bad, m.opened, posts.Roots)
	case m.firstRaw <= 1:
		return errors.New("nothing was removed: the run shows nothing")
	case m.most > m.limit*3/2:
		return fmt.Errorf("the store grew to %d MB", m.most>>20)
	case m.firstEvent > m.firstRaw:
		return errors.New("events were removed before webhooks")
	}
	return unsettled
}

// month is the traffic of the row, and what it came to.
type month struct {
	*rig
	limit                     int64
	next                      atomic.Int64
	hooks, refused, bad, sent atomic.Int64
	most                      int64 // bytes on the disk once the store was full
	opened                    int
	firstRaw, lastRaw         uint64
	firstEvent                uint64 // frame of the webhook that the oldest event was made from
}

// send sends webhooks until so many bytes were taken.
func (m *month) send(bytes int, within time.Duration) error {
	ctx, stop := context.WithTimeout(m.t, within)
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: m.l.workers}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var sending sync.WaitGroup
	for i := range m.l.workers {
		sending.Go(func() {
			dice := rand.NewChaCha8([32]byte{byte(i), byte(m.t.seed)})
			for ctx.Err() == nil && m.sent.Load() < int64(bytes) && m.refused.Load() < 100 {
				m.sendOne(ctx, client, dice)
			}
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	for every := time.NewTicker(time.Second); ; {
		select {
		case <-done:
			every.Stop()
			if m.sent.Load() < int64(bytes) && m.refused.Load() == 0 {
				return fmt.Errorf("%w: %d of %d bytes were sent in %v", errSetup, m.sent.Load(), bytes, within)
			}
			return nil
		case <-every.C:
			m.most = max(m.most, m.size())
		}
	}
}

func (m *month) sendOne(ctx context.Context, client *http.Client, dice *rand.ChaCha8) {
	n := m.next.Add(1)
	mos := 4.2
	if n%badEvery == 0 {
		mos = 2.1
	}
	noise := make([]byte, padding*3/4)
	_, _ = dice.Read(noise) // it never fails
	body := fmt.Sprintf(`{"event":"voice.outbound","service":"channels","payload":{"id":"call-%d","channelId":"c","status":"completed","direction":"outgoing",`+
		`"transcript":%q,"duration":40,"mediaMetrics":{"mos":%g}}}`, n, base64.StdEncoding.EncodeToString(noise), mos)
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, m.url()+"/webhooks/bird/"+retentionToken, strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if err != nil || res.StatusCode != http.StatusOK {
		m.refused.Add(1)
		return
	}
	m.hooks.Add(1)
	m.sent.Add(int64(len(body)))
	if mos < 3.5 {
		m.bad.Add(1)
	}
}

// size of the data directory in bytes.
func (m *month) size() (bytes int64) {
	_ = filepath.WalkDir(m.data, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil // the server may have removed it
	})
	return bytes
}

// inspect reads the store of the stopped callwatch.
func (m *month) inspect() error {
	store, err := stream.Open(m.t, stream.Config{Dir: m.data, Durability: stream.OS, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	err = store.RecordsSince(m.t, time.Time{}, func(records []stream.Record, _ uint64) error {
		if m.firstRaw == 0 {
			m.firstRaw = records[0].At.Seq
		}
		m.lastRaw = records[len(records)-1].At.Seq
		return nil
	}, func(*stream.Damage) {})
	enough := errors.New("enough")
	if err == nil {
		err = store.EventsSince(m.t, time.Time{}, func(e stream.Message) error {
			raw, _, ok := e.Raw()
			if !ok {
				return nil
			}
			m.firstEvent = raw.Seq
			return enough
		})
	}
	if err == nil || errors.Is(err, enough) {
		err = store.StoredTransitions(m.t, func(s stream.Transition) error {
			var t rules.Transition
			if json.Unmarshal(s.Data, &t) == nil && t.Step == rules.StepOpened {
				m.opened++
			}
			return nil
		})
	}
	return errors.Join(err, store.Close(m.t))
}
