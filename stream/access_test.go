package stream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"callwatch/stream/embedded"
	"callwatch/stream/names"
)

// subscribes checks that a connection can follow events by subscribing.
func subscribes(t *testing.T, conn *nats.Conn, s *Store) {
	t.Helper()
	sub, err := conn.SubscribeSync("callwatch.event.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	raw, _, _, err := s.LastPublished(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := event(raw.Seq+1, 0)
	if err := s.PublishEvents(t.Context(), []Event{e}); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(10 * time.Second)
	if err != nil || string(m.Data) != string(e.Data) {
		t.Errorf("subscribed: %v, %v", m, err)
	}
}

// consumes checks that a connection can follow events with an ordered consumer.
func consumes(t *testing.T, conn *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), names.EventStream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"callwatch.event.acme.*"}})
	if err != nil {
		t.Fatal("ordered consumer:", err)
	}
	stored, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil || stored.Subject() != "callwatch.event.acme.ended" || !strings.HasPrefix(string(stored.Data()), `{"id":"acme:`) {
		t.Errorf("ordered consumer: %v, %v", stored, err)
	}
	if _, err := js.Stream(t.Context(), names.AlertStream); err != nil {
		t.Errorf("stream of transitions: %v", err)
	}
}

// cannotWrite checks that a connection cannot change what is stored, nor read
// webhooks as received.
func cannotWrite(t *testing.T, conn *nats.Conn, s *Store) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.conn.JS.CreateConsumer(t.Context(), names.EventStream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Health(t.Context()).Streams
	for name, try := range map[string]func(ctx context.Context) error{
		"publish": func(ctx context.Context) error {
			_, err := js.Publish(ctx, "callwatch.event.acme.ended", nil)
			return err
		},
		"publish a webhook": func(ctx context.Context) error { _, err := js.Publish(ctx, names.RawSubject, nil); return err },
		"publish an alert":  func(ctx context.Context) error { _, err := js.Publish(ctx, names.AlertPrefix+"x", nil); return err },
		"write a key": func(ctx context.Context) error {
			_, err := js.Publish(ctx, "$KV.callwatch_meta.format", nil)
			return err
		},
		"delete a stream": func(ctx context.Context) error { return js.DeleteStream(ctx, names.EventStream) },
		"create a stream": func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}})
			return err
		},
		"update a stream": func(ctx context.Context) error {
			_, err := js.UpdateStream(ctx, jetstream.StreamConfig{Name: names.EventStream, Subjects: []string{"x"}, MaxAge: time.Second})
			return err
		},
		"purge": func(ctx context.Context) error {
			_, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+names.EventStream, nil)
			return err
		},
		"delete a message": func(ctx context.Context) error {
			_, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+names.EventStream, []byte(`{"seq":1}`))
			return err
		},
		"delete a consumer": func(ctx context.Context) error {
			return js.DeleteConsumer(ctx, names.EventStream, own.CachedInfo().Name)
		},
		"read webhooks": func(ctx context.Context) error {
			_, err := js.CreateConsumer(ctx, names.RawStream, jetstream.ConsumerConfig{})
			return err
		},
		"read a webhook": func(ctx context.Context) error {
			_, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+names.RawStream, []byte(`{"seq":1}`))
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		if err := try(ctx); err == nil {
			t.Errorf("%s is not refused", name)
		}
		cancel()
	}
	// The server answers to the subject that a request names, and delivers to the one that a consumer names.
	var targets []string
	for _, stream := range []string{names.RawStream, names.EventStream, names.AlertStream, names.BucketStreamPrefix + names.BucketPrefix + "meta"} {
		targets = append(targets, "$JS.API.STREAM.PURGE."+stream, "$JS.API.STREAM.DELETE."+stream, "$JS.API.STREAM.MSG.DELETE."+stream, "$JS.API.CONSUMER.DELETE."+stream+"."+own.CachedInfo().Name)
	}
	targets = append(targets, names.RawSubject, names.EventPrefix+"acme.ended", names.AlertPrefix+"x", "$KV.callwatch_meta.format")
	pull := "$JS.API.CONSUMER.MSG.NEXT." + names.EventStream + "."
	ask := func(subject, reply, body string) {
		if err := conn.PublishRequest(subject, reply, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	ask("$JS.API.CONSUMER.CREATE."+names.EventStream+".mine", "_INBOX.x", `{"stream_name":"`+names.EventStream+`","config":{"name":"mine","ack_policy":"none"}}`)
	for i, target := range targets {
		ask(pull+"mine", target, `{"batch":1,"no_wait":true}`)
		ask(pull+"mine", target, `{"batch":1,"no_wait":true}`) // one has an event, the other an empty answer
		ask("$JS.API.INFO", target, "")
		ask("$JS.API.STREAM.INFO."+names.EventStream, target, "")
		ask("$JS.API.STREAM.MSG.GET."+names.EventStream, target, `{"last_by_subj":"none"}`)
		ask("$JS.API.CONSUMER.INFO."+names.EventStream+".none", target, "")
		ask("$JS.API.CONSUMER.CREATE."+names.EventStream, target, "{}")
		name := "push" + strconv.Itoa(i)
		for _, config := range []string{`"deliver_subject":"` + target + `"`, `"durable_name":"` + name + `"`} {
			ask("$JS.API.CONSUMER.CREATE."+names.EventStream+"."+name, "_INBOX.x", `{"stream_name":"`+names.EventStream+`","config":{"name":"`+name+`","ack_policy":"none",`+config+`}}`)
		}
	}
	taken := own.CachedInfo().Name
	ask("$JS.API.CONSUMER.CREATE."+names.EventStream+"."+taken, "_INBOX.x", `{"stream_name":"`+names.EventStream+`","config":{"name":"`+taken+`","ack_policy":"none","filter_subject":"callwatch.event.none.none"}}`)
	_ = conn.FlushTimeout(time.Second)
	time.Sleep(500 * time.Millisecond)
	if info, err := own.Info(t.Context()); err != nil || info.Config.FilterSubject != "" {
		t.Errorf("a consumer was changed or removed: %v", err)
	}
	all, err := s.conn.JS.Stream(t.Context(), names.EventStream)
	if err != nil {
		t.Fatal(err)
	}
	for consumer := range all.ListConsumers(t.Context()).Info() {
		if consumer.Config.Durable != "" || consumer.Config.DeliverSubject != "" {
			t.Errorf("a reader made the consumer %+v", consumer.Config)
		}
	}
	after := s.Health(t.Context()).Streams
	for i := range before {
		if before[i] != after[i] {
			t.Errorf("stream before %+v, after %+v", before[i], after[i])
		}
	}
	sub, err := conn.SubscribeSync("callwatch.raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(300 * time.Millisecond); err == nil {
		t.Errorf("a webhook can be read: %q", m.Data)
	}
}

func TestListener(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	for name, cfg := range map[string]Config{
		"loopback":      {Listen: "127.0.0.1:0"},
		"with password": {Listen: "127.0.0.1:0", ListenPassword: "hunter2", ListenUser: "ada"},
		"everywhere":    {Listen: ":0", ListenPassword: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, cfg)
			if err := s.probe(0); err != nil {
				t.Fatal(err)
			}
			url := strings.Replace(s.node.ClientURL(), "0.0.0.0", "127.0.0.1", 1)
			user := cfg.ListenUser
			if user == "" {
				user = "reader"
			}
			options := []nats.Option{nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})}
			if cfg.ListenPassword != "" {
				for _, wrong := range [][]nats.Option{nil, {nats.UserInfo(user, "wrong")}, {nats.UserInfo(embedded.OwnUser, "hunter2")}, {nats.UserInfo(embedded.OwnUser, "")}} {
					if conn, err := nats.Connect(url, wrong...); err == nil {
						conn.Close()
						t.Error("connected without the password")
					}
				}
				options = append(options, nats.UserInfo(user, cfg.ListenPassword))
			}
			conn, err := nats.Connect(url, options...)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			subscribes(t, conn, s)
			consumes(t, conn)
			cannotWrite(t, conn, s)
			at := strings.Replace(url, "nats://", "nats://"+user+":"+cfg.ListenPassword+"@", 1)
			if cfg.ListenPassword == "" {
				at = url
			}
			r, err := OpenReader(t.Context(), Config{URL: at})
			if err != nil {
				t.Fatal(err)
			}
			defer closeStore(t, r)
			n := 0
			if err := r.StoredEvents(t.Context(), time.Time{}, func(Message, uint64) error { n++; return nil }); n != 1 || err != nil {
				t.Errorf("reader: %d events, %v", n, err)
			}
			if _, err := r.Append(t.Context(), record(1)); !errors.Is(err, errReadOnly) {
				t.Errorf("a reader appends: %v", err)
			}
		})
	}
}

func TestOpenListenerIsRefused(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{":4222", "0.0.0.0:4222", "[::]:4222", "192.0.2.1:4222", "example.com:4222"} {
		_, err := Open(t.Context(), Config{Dir: t.TempDir(), Listen: listen})
		if err == nil || !strings.Contains(err.Error(), "can be reached from other machines") {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if _, err := Open(t.Context(), Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", ListenUser: embedded.OwnUser, ListenPassword: "x"}); err == nil {
		t.Error("a reader may have callwatch's own name")
	}
}

// operated runs a server of an operator with an account of callwatch and one of readers,
// as docs/cluster.md says, and returns its address and the credentials of users with the
// permissions given: the user reader is in the account of readers.
func operated(t *testing.T, users map[string]embedded.Permissions) (url string, creds map[string]string) {
	t.Helper()
	key := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		k, err := create()
		if err != nil {
			t.Fatal(err)
		}
		id, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return k, id
	}
	operator, operatorID := key(nkeys.CreateOperator)
	_, systemID := key(nkeys.CreateAccount)
	account, accountID := key(nkeys.CreateAccount)
	readers, readersID := key(nkeys.CreateAccount)
	resolver := &server.MemAccResolver{}
	for _, id := range []string{systemID, accountID, readersID} {
		c := jwt.NewAccountClaims(id)
		for _, subject := range embedded.ReaderPermissions().Subscribe[:2] {
			switch id {
			case accountID:
				c.Exports.Add(&jwt.Export{Name: subject, Subject: jwt.Subject(subject), Type: jwt.Stream})
			case readersID:
				c.Imports.Add(&jwt.Import{Name: subject, Account: accountID, Subject: jwt.Subject(subject), Type: jwt.Stream})
			}
		}
		if id == accountID {
			c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		token, err := c.Encode(operator)
		if err == nil {
			err = resolver.Store(id, token)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: "operated", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), MaxPayload: embedded.MaxPayload,
		TrustedKeys: []string{operatorID}, SystemAccount: systemID, AccountResolver: resolver,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	creds = map[string]string{}
	for name, p := range users {
		user, userID := key(nkeys.CreateUser)
		c := jwt.NewUserClaims(userID)
		c.Name = name
		c.Permissions.Pub.Allow.Add(p.Publish...)
		if len(p.Publish) == 0 {
			c.Permissions.Pub.Deny.Add(">")
		}
		c.Permissions.Sub.Allow.Add(p.Subscribe...)
		signer := account
		if name == "reader" {
			signer = readers
		}
		token, err := c.Encode(signer)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := user.Seed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.FormatUserConfig(token, seed)
		if err != nil {
			t.Fatal(err)
		}
		creds[name] = filepath.Join(t.TempDir(), name+".creds")
		if err := os.WriteFile(creds[name], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return srv.ClientURL(), creds
}

// TestLeastPermissions runs the store and a reader as users with the permissions
// that docs/cluster.md names.
func TestLeastPermissions(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	url, creds := operated(t, map[string]embedded.Permissions{"callwatch": embedded.OwnPermissions(), "reader": embedded.ReaderPermissions()})
	s := open(t, Config{URL: url, CredsFile: creds["callwatch"], Patience: 5 * time.Second})
	for i := range 3 {
		if _, err := s.Append(t.Context(), record(i)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := nats.Connect(url, nats.UserCredentials(creds["reader"]), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	subscribes(t, conn, s)
	cannotWrite(t, conn, s)

	saveState(t, s, 1, "state")
	saveState(t, s, 1, "state 2")
	saveState(t, s, 1, "state 3")
	if _, state := loadState(t, s); state != "state 3" {
		t.Errorf("state %q", state)
	}
	if ok, err := s.PutTransition(t.Context(), "r", "k", Cause{Seq: 1}, []byte("{}")); !ok || err != nil {
		t.Error(ok, err)
	}
	if all, err := s.LastTransitions(t.Context()); len(all) != 1 || err != nil {
		t.Error(all, err)
	}
	if n, err := s.EraseRecords(t.Context(), []Position{{Seq: 2}}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := s.EraseEvents(t.Context(), time.Now(), []uint64{1}); err != nil {
		t.Error(err)
	}
	if err := s.PutDeadLetter(t.Context(), DeadLetter{Raw: Position{Seq: 1}, Provider: "acme"}); err != nil {
		t.Error(err)
	}
	if err := s.DropDeadLetter(t.Context(), "acme", Position{Seq: 1}); err != nil {
		t.Error(err)
	}
	if ok, err := s.Later(t.Context(), Task{Topic: "acme", Key: "k", At: time.Now()}); !ok || err != nil {
		t.Error(ok, err)
	}
	for _, name := range []string{metaBucket, "notifier", "fetch"} {
		b, err := s.Bucket(t.Context(), name)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, ok, err := b.SaveFor(t.Context(), "k", []byte("v"), 0, time.Hour); !ok || err != nil {
			t.Error(name, ok, err)
		}
		if err := b.Delete(t.Context(), "k"); err != nil {
			t.Error(name, err)
		}
		if keys, err := b.Keys(t.Context(), "k"); err != nil || len(keys) > 0 {
			t.Error(name, keys, err)
		}
	}
	if h := s.Health(t.Context()); !h.OK {
		t.Errorf("health %v", h.Causes)
	}
	if err := s.Hold(t.Context(), Lease{Name: "judge"}, func(context.Context, uint64) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestPermissionsAreDocumented: docs/cluster.md names each subject.
func TestPermissionsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	for who, p := range map[string]embedded.Permissions{"callwatch": embedded.OwnPermissions(), "reader": embedded.ReaderPermissions()} {
		for _, subject := range append(p.Publish, p.Subscribe...) {
			if !strings.Contains(string(text), `"`+subject+`"`) {
				t.Errorf("%s: %s is not in docs/cluster.md", who, subject)
			}
		}
	}
}
