package natstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Single runs one NATS server with JetStream in this process, on a free port of
// loopback, and returns its address.
func Single(dir string) (url string, stop func(), err error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "single", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: dir, MaxPayload: 8 << 20,
	})
	if err != nil {
		return "", nil, err
	}
	srv.Start()
	stop = func() { srv.Shutdown(); srv.WaitForShutdown() }
	if !srv.ReadyForConnections(startWait) {
		stop()
		return "", nil, errors.New("the NATS server does not start")
	}
	return srv.ClientURL(), stop, nil
}

// Subjects are those that callwatch stores, with keys of its buckets, and others
// that its streams take.
func Subjects(buckets ...string) []string {
	subjects := []string{
		"callwatch.raw", "callwatch.raw.rewrite.1", "callwatch.raw.rewrite.7", "callwatch.raw.rewrite.x",
		"callwatch.event.acme.ended", "callwatch.event.other", "callwatch.event.a.b.c.d.e", "callwatch.event.acme.ended.past", "callwatch.tick", "callwatch.mark",
		"callwatch.alert.bad=20audio.8254c329a92850f6d539dd376f4816ee", "callwatch.alert.x", "callwatch.alert.other.rule.of.theirs",
		"callwatch.dead.acme.1.0", "callwatch.dead.x.y", "callwatch.dead.x",
		"callwatch.checkpoint.engine.manifest", "callwatch.checkpoint.engine.chunk", "callwatch.checkpoint.x",
		"callwatch.task.acme.call", "callwatch.task.x",
	}
	for _, bucket := range buckets {
		for _, key := range []string{"format", "settled", "judge", "followed", "late.1.0", "x", "a.b"} {
			subjects = append(subjects, "$KV."+bucket+"."+key)
		}
	}
	return subjects
}

// Garbage is what other programs may publish on a subject of the store: random
// bytes, nothing, much, other JSON, CloudEvents of somebody else, and messages that
// look like those of callwatch.
func Garbage(subject string) []*nats.Msg {
	random := make([]byte, 300)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	cloudEvent := nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {"other-1"}, "ce-source": {"/other"}, "ce-type": {"com.example.other"}, "ce-time": {"2026-01-02T03:04:05Z"},
		"content-type": {"application/json"},
	}
	likeOurs := nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {"acme:999"}, "ce-source": {"/callwatch/acme"}, "ce-type": {"callwatch.event.ended"},
		"callwatch-raw": {"999999.0"}, "callwatch-index": {"0"}, "content-type": {"application/json"}, "callwatch-seal": {"1234567890abc"},
		"callwatch-rule": {"r"}, "callwatch-key": {"k"}, "callwatch-cause": {"999999.0"}, "callwatch-due": {"2026-01-02T03:04:05Z"}, "callwatch-rewrites": {"1,2,3"},
	}
	wrong := nats.Header{
		"callwatch-raw": {"x"}, "callwatch-index": {"-1"}, "callwatch-cause": {"-"}, "callwatch-due": {"tomorrow"}, "callwatch-rewrites": {"x"},
		"callwatch-counts-at": {"y"}, "callwatch-replaces": {"z"}, "callwatch-rule": {"%zz"}, "callwatch-key": {"%"}, "ce-id": {"%"}, "ce-subject": {"%q"},
	}
	return []*nats.Msg{
		{Subject: subject, Data: random},
		{Subject: subject},
		{Subject: subject, Data: bytes.Repeat([]byte("["), 200<<10)},
		{Subject: subject, Data: []byte(`{"id":17,"kind":[],"seq":"x","chunks":{}}`)},
		{Subject: subject, Data: []byte(`{"id":"acme:9","kind":"ended","provider":"acme","callId":"x"}`), Header: cloudEvent},
		{Subject: subject, Data: []byte(`{"id":"acme:999","kind":"ended","provider":"acme","callId":"x","seq":99999999,"chunks":[{"seq":1,"crc":0}]}`), Header: likeOurs},
		{Subject: subject, Data: []byte(`null`), Header: wrong},
	}
}

// existing is how many keys of a bucket get garbage in place of their values.
const existing = 5

// Litter publishes garbage on all subjects of the store of a server, and on those of every bucket
// that is there, some of its keys included. It returns how much each stream took.
func Litter(ctx context.Context, url string) (taken map[string]int, err error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(10*time.Second))
	if err != nil {
		return nil, err
	}
	subjects, err := subjectsOf(ctx, js)
	if err != nil {
		return nil, err
	}
	taken = map[string]int{}
	for _, subject := range subjects {
		for _, m := range Garbage(subject) {
			switch ack, err := js.PublishMsg(ctx, m, jetstream.WithRetryWait(time.Millisecond)); {
			case err == nil:
				taken[ack.Stream]++
			case !errors.Is(err, jetstream.ErrNoStreamResponse):
				return taken, fmt.Errorf("publish on %s: %w", subject, err)
			}
		}
	}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if taken[name] == 0 {
			return taken, fmt.Errorf("stream %s got nothing: it is to be added to Subjects", name)
		}
	}
	return taken, names.Err()
}

func subjectsOf(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	var buckets, keys []string
	names := js.KeyValueStoreNames(ctx)
	for name := range names.Name() {
		buckets = append(buckets, name)
	}
	if err := names.Error(); err != nil {
		return nil, err
	}
	for _, name := range buckets {
		bucket, err := js.KeyValue(ctx, name)
		if err != nil {
			return nil, err
		}
		have, err := bucket.Keys(ctx)
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			return nil, err
		}
		slices.Sort(have)
		for _, key := range have[:min(existing, len(have))] {
			keys = append(keys, "$KV."+name+"."+key)
		}
	}
	return append(Subjects(buckets...), keys...), nil
}
