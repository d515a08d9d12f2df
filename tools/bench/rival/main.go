// Command rival is the core of Redpanda Connect with an http_server input and an
// output that publishes to JetStream: what callwatch is measured against. Connect's own
// output for JetStream is in another module, which is partly under a licence that is not
// open source, so a small one is here: one acknowledged publish a message.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

const pipeline = `
http: {enabled: false}
logger: {level: ERROR}
input:
  http_server:
    address: "%s"
    path: /webhooks/{provider}
    allowed_verbs: [POST]
    sync_response: {status: "200"}
pipeline:
  threads: -1
output:
  jetstream: {max_in_flight: 1024}
`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rival:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "folder of the store")
	always := flag.Bool("always", false, "JetStream fsyncs each message (sync_always)")
	flag.Parse()
	ns, err := server.NewServer(&server.Options{JetStream: true, StoreDir: *dir, DontListen: true, SyncAlways: *always, MaxPayload: 8 << 20, NoSigs: true})
	if err != nil {
		return err
	}
	go ns.Start()
	defer ns.Shutdown()
	if !ns.ReadyForConnections(10 * time.Second) {
		return errors.New("NATS does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "HOOKS", Subjects: []string{"hook.>"}, Storage: jetstream.FileStorage}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil { // Connect listens by itself
		return err
	}
	if err := register(js); err != nil {
		return err
	}
	b := service.NewStreamBuilder()
	if err := b.SetYAML(fmt.Sprintf(pipeline, addr)); err != nil {
		return err
	}
	s, err := b.Build()
	if err != nil {
		return err
	}
	fmt.Println(addr)
	if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// register makes the output known to Connect.
func register(js jetstream.JetStream) error {
	spec := service.NewConfigSpec().Field(service.NewOutputMaxInFlightField())
	return service.RegisterOutput("jetstream", spec, func(c *service.ParsedConfig, _ *service.Resources) (service.Output, int, error) {
		n, err := c.FieldMaxInFlight()
		return output{js}, n, err
	})
}

// output publishes each message, and is done with it when the stream has it.
type output struct{ js jetstream.JetStream }

func (o output) Connect(context.Context) error { return nil }

func (o output) Close(context.Context) error { return nil }

func (o output) Write(ctx context.Context, m *service.Message) error {
	body, err := m.AsBytes()
	if err != nil {
		return err
	}
	provider, _ := m.MetaGet("provider")
	_, err = o.js.Publish(ctx, "hook."+provider, body)
	return err
}
