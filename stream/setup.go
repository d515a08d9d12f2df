package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// format of the store; raised when an older callwatch could not read it.
const format = 1

const (
	rawStream        = "CALLWATCH_RAW"
	eventStream      = "CALLWATCH_EVENTS"
	alertStream      = "CALLWATCH_ALERTS"
	deadStream       = "CALLWATCH_DEAD"
	checkpointStream = "CALLWATCH_CHECKPOINTS"

	rawSubject        = "callwatch.raw"
	rewritePrefix     = "callwatch.raw.rewrite."
	eventPrefix       = "callwatch.event."
	tickSubject       = "callwatch.tick"
	markSubject       = "callwatch.mark"
	alertPrefix       = "callwatch.alert."
	deadPrefix        = "callwatch.dead."
	checkpointPrefix  = "callwatch.checkpoint."
	metaBucket        = "meta"
	formatKey         = "format"
	setupWait         = 10 * time.Second
	oldestServer      = "2.12" // the first with atomic batches
	oldestServerMajor = 2
	oldestServerMinor = 12
)

func (s *Store) connect() error {
	options := []nats.Option{
		nats.Name("callwatch"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		// A frame answered with "unavailable" must not be sent later.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.log.Warn("connection to the store lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { s.log.Info("connection to the store restored") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.log.Warn("store connection", "err", err) }),
	}
	url := s.cfg.URL
	if s.node != nil {
		options = append(options, nats.InProcessServer(s.node))
	}
	if s.cfg.CredsFile != "" {
		options = append(options, nats.UserCredentials(s.cfg.CredsFile))
	}
	var err error
	if s.nc, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connect to the store: %w", err)
	}
	if s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(setupWait)); err != nil {
		return fmt.Errorf("connect to the store: %w", err)
	}
	return nil
}

func (s *Store) checkServer() error {
	version := s.nc.ConnectedServerVersion()
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	if a < oldestServerMajor || a == oldestServerMajor && b < oldestServerMinor {
		return fmt.Errorf("NATS server has version %s, %s or newer is needed", version, oldestServer)
	}
	if s.nc.MaxPayload() < maxPayload {
		s.log.Warn("large webhooks may be refused: raise max_payload of the NATS server",
			"maxPayload", s.nc.MaxPayload(), "recommended", maxPayload)
	}
	return nil
}

func (s *Store) checkFormat(ctx context.Context) error {
	meta, err := s.Bucket(ctx, metaBucket)
	if err != nil {
		return err
	}
	value, _, err := meta.Load(ctx, formatKey)
	if err != nil {
		return fmt.Errorf("format of the store: %w", err)
	}
	if value == nil {
		// Losing the race to another replica that writes the same is fine.
		_, _, err := meta.Save(ctx, formatKey, []byte(strconv.Itoa(format)), 0)
		return err
	}
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return fmt.Errorf("format of the store is %q, not a number: it was not written by callwatch", value)
	}
	if n > format {
		return fmt.Errorf("store has format %d, this callwatch reads up to %d: start a newer callwatch or give another data directory", n, format)
	}
	return nil
}

func (s *Store) ensureStreams(ctx context.Context) error {
	keep := s.cfg.Retention
	for _, def := range []struct {
		into   *jetstream.Stream
		config jetstream.StreamConfig
	}{
		// What was answered 200 is never pushed out by newer webhooks: full is refused.
		{&s.raw, jetstream.StreamConfig{Name: rawStream, Subjects: []string{rawSubject, rewritePrefix + "*"}, Discard: jetstream.DiscardNew, MaxAge: keep.Raw, MaxBytes: s.share(45), AllowDirect: true}},
		// Events can be made again from RAW.
		{&s.events, jetstream.StreamConfig{Name: eventStream, Subjects: []string{eventPrefix + ">", tickSubject, markSubject}, MaxAge: keep.Events, MaxBytes: s.share(40), AllowAtomicPublish: true}},
		{&s.alerts, jetstream.StreamConfig{Name: alertStream, Subjects: []string{alertPrefix + ">"}, Discard: jetstream.DiscardNew, MaxAge: keep.Alerts, MaxBytes: -1}},
		{&s.dead, jetstream.StreamConfig{Name: deadStream, Subjects: []string{deadPrefix + ">"}, MaxMsgsPerSubject: 1, MaxAge: keep.DeadLetters, MaxBytes: s.share(5)}},
		{&s.checkpoints, jetstream.StreamConfig{Name: checkpointStream, Subjects: []string{checkpointPrefix + ">"}, Discard: jetstream.DiscardNew, MaxBytes: -1, AllowDirect: true}},
	} {
		def.config.Storage = jetstream.FileStorage
		def.config.Replicas = s.cfg.Replicas
		var err error
		if *def.into, err = s.ensure(ctx, def.config); err != nil {
			return fmt.Errorf("stream %s: %w", def.config.Name, err)
		}
	}
	return nil
}

func (s *Store) ensure(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, setupWait)
	defer cancel()
	st, err := s.js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return s.js.CreateOrUpdateStream(ctx, config)
	}
	if err != nil {
		return nil, err
	}
	if had := st.CachedInfo().Config; had.MaxAge == config.MaxAge && had.MaxBytes == config.MaxBytes && had.Replicas == config.Replicas &&
		slices.Equal(had.Subjects, config.Subjects) {
		return st, nil
	}
	return s.js.UpdateStream(ctx, config)
}

// share is a stream's part of MaxStore, unlimited when none was given. A tenth
// is left to alerts, checkpoints and buckets.
func (s *Store) share(percent int64) int64 {
	if s.cfg.MaxStore == 0 {
		return -1
	}
	return s.cfg.MaxStore / 100 * percent
}
