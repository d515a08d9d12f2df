package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// floors are the servers callwatch is measured against, by what each does with a
// body before it answers 200.
const (
	floorEcho    = "echo"    // reads it
	floorEd25519 = "ed25519" // checks its signature
	floorDefault = "default" // publishes it to JetStream: in the page cache
	floorAlways  = "always"  // publishes it to JetStream with SyncAlways: on the disk
)

// serveFloor is one of them, in a process of its own. It prints its address.
func serveFloor(args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	kind := flags.String("kind", floorEcho, "")
	dir := flags.String("dir", "", "")
	key := flags.String("key", "", "public key, hex")
	if err := flags.Parse(args); err != nil {
		return err
	}
	take, err := taker(*kind, *dir, *key)
	if err != nil {
		return err
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.POST("/webhooks/:provider", func(c echo.Context) error {
		body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, 4<<20))
		if err != nil {
			return err
		}
		if err := take(c, body); err != nil {
			return echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
		}
		return c.JSON(http.StatusOK, map[string]string{"status": "accepted"})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return (&http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second}).Serve(listener)
}

func taker(kind, dir, key string) (func(echo.Context, []byte) error, error) {
	switch kind {
	case floorEcho:
		return func(echo.Context, []byte) error { return nil }, nil
	case floorEd25519:
		public, err := hex.DecodeString(key)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, errors.New("no public key")
		}
		return func(c echo.Context, body []byte) error {
			h := c.Request().Header
			signature, err := base64.StdEncoding.DecodeString(h.Get("Telnyx-Signature-Ed25519"))
			if err != nil {
				return err
			}
			if !ed25519.Verify(public, append([]byte(h.Get("Telnyx-Timestamp")+"|"), body...), signature) {
				return errors.New("wrong signature")
			}
			return nil
		}, nil
	case floorDefault, floorAlways:
		js, err := embedded(dir, kind == floorAlways)
		if err != nil {
			return nil, err
		}
		return func(c echo.Context, body []byte) error {
			_, err := js.Publish(c.Request().Context(), "hook."+c.Param("provider"), body)
			return err
		}, nil
	}
	return nil, fmt.Errorf("there is no floor %q", kind)
}

// embedded is a JetStream in this process with a stream for webhooks.
func embedded(dir string, always bool) (jetstream.JetStream, error) {
	ns, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, DontListen: true, SyncAlways: always, MaxPayload: 8 << 20, NoSigs: true})
	if err != nil {
		return nil, err
	}
	go ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("NATS does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	ctx, done := timeout(10 * time.Second)
	defer done()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "HOOKS", Subjects: []string{"hook.>"}, Storage: jetstream.FileStorage})
	return js, err
}
