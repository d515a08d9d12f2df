package storage

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
	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

const (
	retentionToken = "retention-token"
	mostTries      = 20 // to send a webhook
	// badEvery is of how many calls one is bad.
	badEvery = 50
	// padding is of the part of a body that is no part of an event, in bytes: webhooks
	// take more space than events, as large reports do.
	padding = 32_000
)

// Retention sends many times what the store may hold. The oldest webhooks must go, and nothing else
// be noticed. The full run is a month on a file system of 1 GB with the shipped settings: the clock
// goes as far as the month's webhooks are sent.
func Retention(t *rig.Trial) error {
	limit := int64(1_000_000_000)
	if t.Short {
		limit = 100 << 20
	} else {
		t.Variant = variants.Clocked
	}
	var r *rig.Rig
	var err error
	onDisk := os.Geteuid() == 0 && !t.Short
	if onDisk { // the file system is the limit
		var d *rig.Disk
		if r, d, err = t.RigOnDiskOf(limit, 32, 0); err != nil {
			return err
		}
		defer func() { _ = d.Close() }()
	} else if r, err = t.Rig(32, 0); err != nil {
		return err
	}
	defer r.Close()
	r.Setenv(strings.ToUpper("CALLWATCH_BIRD_"+normalizer.URLToken), retentionToken)
	if !onDisk {
		r.Setenv("CALLWATCH_RETENTION_DISK", strconv.FormatInt(limit/1_000_000, 10))
	}
	if !t.Short {
		if err := r.Step(0); err != nil {
			return err
		}
	}
	if err := r.Start(); err != nil {
		return err
	}
	m := month{Rig: r, bytes: limit * 5 / 2}
	if err := m.send(t.Span(5*time.Minute, 30*time.Minute)); err != nil {
		return err
	}
	unsettled := r.Settled(t.Patience())
	posts, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	if err := errors.Join(r.Stop(), m.inspect()); err != nil {
		return err
	}
	t.Count("%d MB sent to %s of %d MB in %v of the clock, %d webhooks, %d refused, %d sent again to a slow machine, %d to %d MB on the disk in the second half", m.sent.Load()/1_000_000, map[bool]string{true: "a file system", false: "a store"}[onDisk],
		limit/1_000_000, m.passed, m.hooks.Load(), m.refused.Load(), m.again.Load(), m.least/1_000_000, m.most/1_000_000)
	t.Count("%d bad calls, %d incidents stored, %d threads in Slack; webhooks from frame %d of %d on, events from frame %d on", m.bad.Load(), m.opened, posts.Roots, m.firstRaw, m.lastRaw, m.firstEvent)
	bad := int(m.bad.Load())
	switch {
	case m.refused.Load() > 0:
		return fmt.Errorf("%d webhooks were refused", m.refused.Load())
	case m.opened != bad || posts.Roots != bad:
		return fmt.Errorf("of %d bad calls %d are incidents and %d threads", bad, m.opened, posts.Roots)
	case m.firstRaw <= 1:
		return errors.New("nothing was removed: the run shows nothing")
	case m.most > limit*5/4 || m.most-m.least > m.most/3:
		return fmt.Errorf("the store has %d to %d MB", m.least/1_000_000, m.most/1_000_000)
	case m.firstEvent > m.firstRaw:
		return errors.New("events were removed before webhooks")
	}
	return unsettled
}

// month is the traffic of the row, and what it came to.
type month struct {
	*rig.Rig
	bytes                     int64         // to send
	passed                    time.Duration // of the clock
	next                      atomic.Int64
	hooks, refused, bad, sent atomic.Int64
	again                     atomic.Int64 // sent again to a machine that was too slow
	least, most               int64        // bytes on the disk in the second half
	opened                    int
	firstRaw, lastRaw         uint64
	firstEvent                uint64 // frame of the webhook that the oldest event was made from
}

// monthLong is how far the clock goes in a full run.
const monthLong = 31 * 24 * time.Hour

// send sends the webhooks, and sets the clock.
func (m *month) send(within time.Duration) error {
	ctx, stop := context.WithTimeout(m.T, within)
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: m.Load.Workers}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var sending sync.WaitGroup
	for i := range m.Load.Workers {
		sending.Go(func() {
			dice := rand.NewChaCha8([32]byte{byte(i), byte(m.T.Seed)})
			for ctx.Err() == nil && m.sent.Load() < m.bytes && m.refused.Load() < 100 {
				m.sendOne(ctx, client, dice)
			}
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-done:
			m.measure()
			if m.sent.Load() < m.bytes && m.refused.Load() == 0 {
				return fmt.Errorf("%w: %d of %d bytes were sent in %v", rig.ErrSetup, m.sent.Load(), m.bytes, within)
			}
			return nil
		case <-every.C:
			sent := m.sent.Load()
			if !m.T.Short {
				m.passed = time.Duration(float64(monthLong) * float64(sent) / float64(m.bytes)).Round(time.Hour)
				if err := m.Step(m.passed); err != nil {
					return err
				}
			}
			if sent > m.bytes/2 {
				m.measure()
			}
		}
	}
}

func (m *month) measure() {
	size := m.size()
	m.most = max(m.most, size)
	if m.least == 0 || size < m.least {
		m.least = size
	}
}

// taken sends one webhook, and says whether it was answered 200.
func (m *month) taken(client *http.Client, body string) bool {
	req, err := http.NewRequestWithContext(m.T, http.MethodPost, m.URL()+"/webhooks/bird/"+retentionToken, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
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
	for tries := 1; !m.taken(client, body); tries++ {
		// A machine that is too slow for a moment is no full store: providers send again.
		if tries == mostTries || m.Ready() != "" || !rig.Pause(ctx, 50*time.Millisecond) {
			m.refused.Add(1)
			return
		}
		m.again.Add(1)
	}
	m.hooks.Add(1)
	m.sent.Add(int64(len(body)))
	if mos < 3.5 {
		m.bad.Add(1)
	}
}

// size of the data directory in bytes.
func (m *month) size() (bytes int64) {
	_ = filepath.WalkDir(m.Data, func(_ string, d fs.DirEntry, err error) error {
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
	store, err := stream.Open(m.T, stream.Config{Dir: m.Data, Durability: stream.OS, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	err = store.RecordsSince(m.T, time.Time{}, func(records []stream.Record, _ uint64) error {
		if m.firstRaw == 0 {
			m.firstRaw = records[0].At.Seq
		}
		m.lastRaw = records[len(records)-1].At.Seq
		return nil
	}, func(*stream.Damage) {})
	enough := errors.New("enough")
	if err == nil {
		err = store.EventsSince(m.T, time.Time{}, func(e stream.Message) error {
			raw, _, ok := e.Raw()
			if !ok {
				return nil
			}
			m.firstEvent = raw.Seq
			return enough
		})
	}
	if err == nil || errors.Is(err, enough) {
		err = store.StoredTransitions(m.T, func(s stream.Transition) error {
			var t rules.Transition
			if json.Unmarshal(s.Data, &t) == nil && t.Step == rules.StepOpened {
				m.opened++
			}
			return nil
		})
	}
	return errors.Join(err, store.Close(m.T))
}
