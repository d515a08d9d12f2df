package natstest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const placeWait = 20 * time.Second

// begin starts the servers, again when they do not get well or do not find together:
// on a busy machine an address may be taken meanwhile, and servers that meet all at
// once at times do not.
func (c *Cluster) begin(ctx context.Context) (err error) {
	for range 3 {
		if err = c.beginOnce(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		_ = c.Close()
		for i := range c.nodes {
			if err := os.RemoveAll(c.storeDir(i)); err != nil {
				return err
			}
		}
		c.nodes, c.routes = nil, map[[2]int]*proxy{}
	}
	return err
}

func (c *Cluster) beginOnce(ctx context.Context) error {
	if err := c.arrange(); err != nil {
		return err
	}
	for i := range c.nodes {
		if err := c.StartNode(i); err != nil {
			return err
		}
	}
	if err := c.Await(ctx); err != nil {
		return err
	}
	return c.place(ctx)
}

// place waits until the cluster has room for a stream on all of its servers.
func (c *Cluster) place(ctx context.Context) error {
	var options []nats.Option
	scheme := "nats://"
	if c.secured != nil {
		options, scheme = []nats.Option{nats.RootCAs(c.CA), nats.UserCredentials(c.Creds)}, "tls://"
	}
	conn, err := nats.Connect(scheme+c.nodes[0].client, options...)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, placeWait)
	defer cancel()
	const probe = "PROBE"
	for {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: probe, Subjects: []string{"probe"}, Replicas: size, Storage: jetstream.MemoryStorage})
		if err == nil {
			return js.DeleteStream(ctx, probe)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no stream has place on all servers: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
