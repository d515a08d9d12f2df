package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"callwatch/stream/embedded"
)

// externalServer starts a nats-server with JetStream that is not callwatch's; port
// -1 takes any.
func externalServer(t *testing.T, dir string, port int) (srv *server.Server, stop func()) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		ServerName: "external", Host: "127.0.0.1", Port: port, NoSigs: true, JetStream: true, StoreDir: dir, MaxPayload: embedded.MaxPayload,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	stop = func() { srv.Shutdown(); srv.WaitForShutdown() }
	t.Cleanup(stop)
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return srv, stop
}
