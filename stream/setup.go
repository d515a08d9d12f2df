package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const taskAge = 7 * 24 * time.Hour // no task is left alone for so long

// smallBlocks is a limit that nothing reaches: of a stream with any, the server
// keeps blocks of four megabytes in memory, not of eight.
const smallBlocks = math.MaxInt64

func (s *Store) ensureStreams(ctx context.Context) error {
	keep := s.cfg.Retention
	// A copy that lags behind would answer reads with what was.
	direct := s.cfg.Replicas == 1
	rawAge := keep.Raw
	if s.node != nil {
		rawAge = 0 // retain notes how far it removed
	}
	for _, def := range []struct {
		into   *jet.Stream
		config jetstream.StreamConfig
	}{
		// What was answered 200 is never pushed out by newer webhooks: full is refused.
		{&s.raw, jetstream.StreamConfig{Name: names.RawStream, Description: "callwatch: webhooks and fetched reports as they came, in frames", Subjects: []string{names.RawSubject, names.RewritePrefix + "*"}, Discard: jetstream.DiscardNew, MaxAge: rawAge, MaxBytes: s.mostRaw(), MaxMsgsPerSubject: smallBlocks, AllowDirect: direct}},
		// Events can be made again from RAW.
		{&s.events, jetstream.StreamConfig{Name: names.EventStream, Description: "callwatch: normalized events, ticks of the clock and what people did", Subjects: []string{names.EventPrefix + ">", names.TickSubject, names.ActionSubject}, MaxAge: keep.Events, MaxBytes: -1, MaxMsgsPerSubject: smallBlocks, AllowAtomicPublish: true}},
		{&s.alerts, jetstream.StreamConfig{Name: names.AlertStream, Description: "callwatch: transitions of incidents", Subjects: []string{names.AlertPrefix + ">"}, Discard: jetstream.DiscardNew, MaxAge: keep.Alerts, MaxBytes: -1}},
		{&s.dead, jetstream.StreamConfig{Name: names.DeadStream, Description: "callwatch: bodies that could not be normalized", Subjects: []string{names.DeadPrefix + ">"}, MaxMsgsPerSubject: 1, MaxAge: keep.DeadLetters, MaxBytes: -1}},
		{&s.checkpoints, jetstream.StreamConfig{Name: names.CheckpointStream, Description: "callwatch: states of the rules, from which a start goes on", Subjects: []string{names.CheckpointPrefix + ">"}, Discard: jetstream.DiscardNew, MaxBytes: -1, AllowDirect: direct}},
		{&s.tasks, jetstream.StreamConfig{Name: names.TaskStream, Description: "callwatch: reports that are to be fetched", Subjects: []string{names.TaskPrefix + ">"}, MaxMsgsPerSubject: 1, MaxAge: taskAge, MaxBytes: -1, AllowDirect: direct}},
	} {
		def.config.Storage = jetstream.FileStorage
		def.config.Replicas = s.cfg.Replicas
		var err error
		if def.into.Stream, err = s.ensure(ctx, def.config); err != nil {
			return fmt.Errorf("stream %s: %w", def.config.Name, err)
		}
	}
	return nil
}

// mostRaw is where webhooks are refused at once because nothing can be removed.
func (s *Store) mostRaw() int64 {
	if s.cfg.MaxStore == 0 {
		return -1
	}
	return s.cfg.MaxStore
}

// ensure creates a stream, or changes of the one there what we set: its other
// settings are its operator's. Copies become more, never fewer.
func (s *Store) ensure(ctx context.Context, want jetstream.StreamConfig) (st jetstream.Stream, err error) {
	err = s.settle(ctx, func(ctx context.Context) error {
		st, err = s.ensureOnce(ctx, want)
		return err
	})
	return st, err
}

func (s *Store) ensureOnce(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	st, err := s.conn.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		st, err = s.conn.JS.CreateOrUpdateStream(ctx, want)
		if err != nil {
			return nil, jet.ReplicasError(want.Replicas, jet.Classify(err))
		}
	}
	if err != nil {
		return nil, jet.Classify(err)
	}
	had := st.CachedInfo().Config
	next := had
	next.MaxAge, next.MaxBytes, next.Subjects = want.MaxAge, want.MaxBytes, want.Subjects
	if had.Description == "" {
		next.Description = want.Description
	}
	metadata := jet.SealMetadata(st.CachedInfo())
	if metadata != nil {
		next.Metadata = metadata
	}
	if next.Replicas = max(had.Replicas, want.Replicas); next.Replicas > 1 {
		next.AllowDirect = false
	}
	if had.Description == next.Description && had.MaxAge == next.MaxAge && had.MaxBytes == next.MaxBytes && had.Replicas == next.Replicas &&
		had.AllowDirect == next.AllowDirect && slices.Equal(had.Subjects, next.Subjects) && metadata == nil {
		s.conn.UseSeal(st.CachedInfo())
		return st, nil
	}
	if metadata == nil {
		s.conn.Log.Info("settings of a stream are changed", "stream", want.Name, "replicasBefore", had.Replicas, "replicas", next.Replicas)
	}
	if st, err = s.conn.JS.UpdateStream(ctx, next); err != nil {
		return nil, jet.ReplicasError(next.Replicas, jet.Classify(err))
	}
	s.conn.UseSeal(st.CachedInfo())
	return st, nil
}
