package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// maxPayload of the embedded server: a body of 4 MiB fits even when it does not compress.
const maxPayload = 8 << 20

const healthTries = 20

// node is the embedded server. Clients in the process dial it through node, so
// that a server started again in its place is found by their reconnecting.
type node struct {
	opts    *server.Options
	log     *slog.Logger
	running atomic.Pointer[server.Server]
	marks   map[string]uint64 // last sequences of the streams as noted before the start
	failed  func(text string) // told of write errors; must return at once

	mu    sync.Mutex
	flaws []Flaw // found since the process began

	password string // of the process itself; "" when there is no listener
}

func startNode(cfg Config, failed func(text string)) (*node, error) {
	opts := &server.Options{
		ServerName:         "callwatch",
		DontListen:         cfg.Listen == "",
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           cfg.Dir,
		SyncAlways:         cfg.Durability == Fsync,
		MaxPayload:         maxPayload,
		JetStreamMaxMemory: 64 << 20, // only the state of followers is held in memory
		JetStreamMaxStore:  1 << 50,  // retain and the reserve keep the disk from filling
	}
	if cfg.MaxStore > 0 {
		opts.JetStreamMaxStore = 2 * cfg.MaxStore // room for what follows RAW
	}
	n := &node{opts: opts, log: cfg.Log, failed: failed}
	if cfg.Listen != "" {
		var err error
		if n.password, err = cfg.listenOn(opts); err != nil {
			return nil, err
		}
	}
	return n, n.start()
}

func (n *node) start() error {
	n.marks = readMarks(n.opts.StoreDir)
	if err := finishScrub(n.opts.StoreDir); err != nil {
		return err
	}
	if err := n.checker().beforeStart(); err != nil {
		return err
	}
	opts := n.opts.Clone()
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
	}
	logger := &serverLog{log: n.log, failed: n.failed}
	srv.SetLoggerV2(logger, false, false, false)
	srv.Start()
	// Recovery of a large store takes a while; a failed start shows at once.
	for !srv.ReadyForConnections(time.Second) || !srv.JetStreamEnabled() {
		if !srv.Running() || srv.ReadyForConnections(0) {
			srv.Shutdown()
			return fmt.Errorf("embedded NATS server does not start: %s", logger.last())
		}
	}
	n.running.Store(srv)
	return nil
}

func (n *node) stop() {
	if srv := n.running.Load(); srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// restart stops the server and starts another on the same files. It reads all
// blocks of the streams that are damaged.
func (n *node) restart(d damaged) error {
	n.stop()
	for _, stream := range d.streams {
		if err := dropIndex(n.opts.StoreDir, stream); err != nil {
			return err
		}
	}
	if d.checker != nil {
		if err := d.checker.moveAside(); err != nil {
			return err
		}
	}
	return n.start()
}

// damaged are the streams in which a check found damage.
type damaged struct {
	streams []string
	checker *checker // knows the blocks to move aside
}

func (n *node) checker() *checker {
	return &checker{dir: n.opts.StoreDir, marks: n.marks, log: n.log, found: n.foundFlaw}
}

func (n *node) foundFlaw(f Flaw) {
	level := slog.LevelError
	if f.Torn {
		level = slog.LevelWarn
	}
	n.log.Log(context.Background(), level, "store is damaged", "err", f.Error())
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flaws = append(n.flaws, f)
}

func (n *node) flawsFound() []Flaw {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.flaws)
}

// InProcessConn dials the server that runs now.
func (n *node) InProcessConn() (net.Conn, error) {
	srv := n.running.Load()
	if srv == nil {
		return nil, errors.New("embedded NATS server is not running")
	}
	return srv.InProcessConn()
}

// health is nil while the server is well, else the cause.
func (n *node) health() error { return healthOf(n.running.Load()) }

// checked is the part of a server that reports its health.
type checked interface {
	Healthz(*server.HealthzOptions) *server.HealthStatus
	ReadyForConnections(time.Duration) bool
}

// healthOf asks again where a server that is ready says it is not: it gives itself
// a millisecond to see that, which a busy machine does not always have.
func healthOf(srv checked) error {
	status := srv.Healthz(nil)
	for try := 1; status.StatusCode == http.StatusInternalServerError && try < healthTries && srv.ReadyForConnections(time.Second); try++ {
		status = srv.Healthz(nil)
	}
	switch {
	case status.Status == "ok":
		return nil
	case status.Error == "":
		return fmt.Errorf("embedded NATS server: %s", status.Status)
	default:
		return fmt.Errorf("embedded NATS server: %s", status.Error)
	}
}

// clientURL is where TCP clients connect, "" when there is no listener.
func (n *node) clientURL() string {
	if n.opts.DontListen {
		return ""
	}
	return n.running.Load().ClientURL()
}

// serverLog passes the server's warnings and errors on; its notices are noise
// at each start, so they are debug lines.
type serverLog struct {
	log     *slog.Logger
	failed  func(text string)
	problem atomic.Pointer[string]
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug("nats", "text", line(format, v)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn("nats", "text", line(format, v)) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Fatalf is an error like others here: the server does not exit by itself.
func (l *serverLog) Fatalf(format string, v ...any) { l.Errorf(format, v...) }

func (l *serverLog) Errorf(format string, v ...any) {
	text := line(format, v)
	l.problem.Store(&text)
	if strings.Contains(text, "ritical write error: ") {
		l.failed(text)
	}
	l.log.Error("nats", "text", text)
}

func (l *serverLog) last() string {
	if text := l.problem.Load(); text != nil {
		return *text
	}
	return "no reason given"
}

func line(format string, v []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, v...))
}
