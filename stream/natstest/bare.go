package natstest

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TimeToOpen is how long a bare server takes until the streams in a data directory are open.
// It stops the server again.
func TimeToOpen(dir string) (time.Duration, error) {
	srv, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir, SyncAlways: true, MaxPayload: 8 << 20})
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	srv.Start()
	defer func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}()
	for !srv.ReadyForConnections(time.Second) || !srv.JetStreamEnabled() {
		if !srv.Running() {
			return 0, errors.New("the NATS server does not start")
		}
	}
	return time.Since(begun), nil
}
