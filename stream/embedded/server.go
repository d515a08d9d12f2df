// Package embedded runs a NATS server inside the process: it starts it, starts it again in
// its place, notes how far its streams were written, and says what other programs may read.
// Of callwatch it imports the packages blocks, names and disk.
package embedded

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

	"callwatch/stream/blocks"
)

// MaxPayload of the embedded server: a body of 4 MiB fits even when it does not compress.
const MaxPayload = 8 << 20

const healthTries = 20

// Server is the embedded server. Clients in the process dial it with InProcessConn, so
// that a server started again in its place is found by their reconnecting.
type Server struct {
	opts    *server.Options
	log     *slog.Logger
	failed  func(text string)
	Running atomic.Pointer[server.Server]
	Marks   map[string]uint64 // last sequences of the streams as noted before the start

	Making sync.RWMutex // read-locked while a stream is made: its folder is there before it

	mu    sync.Mutex
	flaws []blocks.Flaw // found since the process began

	gate     *gate  // nil when there is no listener
	Password string // of the process itself; "" when there is no listener
}

// Config says where the server keeps its files and who may connect.
type Config struct {
	Dir        string
	SyncAlways bool  // each write is on the disk before it is acknowledged
	MaxStore   int64 // bytes that RAW may hold; 0: all of the file system
	Listener   Listener
	Log        *slog.Logger
}

// Start starts the server. failed is called with the text of each write error that
// the server logs, and must return at once.
func Start(cfg Config, failed func(text string)) (*Server, error) {
	opts := &server.Options{
		ServerName:         "callwatch",
		DontListen:         cfg.Listener.Address == "",
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           cfg.Dir,
		SyncAlways:         cfg.SyncAlways,
		MaxPayload:         MaxPayload,
		JetStreamMaxMemory: 64 << 20, // only the state of followers is held in memory
		JetStreamMaxStore:  1 << 50,  // retain and the reserve keep the disk from filling
	}
	if cfg.MaxStore > 0 {
		opts.JetStreamMaxStore = 2 * cfg.MaxStore // room for what follows RAW
	}
	n := &Server{opts: opts, log: cfg.Log, failed: failed}
	if cfg.Listener.Address != "" {
		var err error
		if n.gate, err = cfg.Listener.listenOn(opts); err != nil {
			return nil, err
		}
		n.Password = n.gate.own
	}
	return n, n.start()
}

func (n *Server) start() error {
	n.Marks = ReadMarks(n.opts.StoreDir)
	if err := blocks.FinishScrub(n.opts.StoreDir); err != nil {
		return err
	}
	if err := n.Checker().BeforeStart(); err != nil {
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
	if n.gate != nil {
		n.gate.use(srv)
	}
	n.Running.Store(srv)
	return nil
}

// Stop stops the server and waits for its end.
func (n *Server) Stop() {
	if srv := n.Running.Load(); srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// Restart stops the server and starts another on the same files. It reads all
// blocks of the streams that are damaged.
func (n *Server) Restart(d Damaged) error {
	n.Stop()
	for _, stream := range d.Streams {
		if err := blocks.DropIndex(n.opts.StoreDir, stream); err != nil {
			return err
		}
	}
	if d.Checker != nil {
		if err := d.Checker.MoveAside(); err != nil {
			return err
		}
	}
	return n.start()
}

// Damaged are the streams in which a check found damage.
type Damaged struct {
	Streams []string
	Checker *blocks.Checker // knows the blocks to move aside
}

// Checker returns what checks the files of the server.
func (n *Server) Checker() *blocks.Checker {
	return &blocks.Checker{Dir: n.opts.StoreDir, Marks: n.Marks, Log: n.log, Found: n.AddFlaw}
}

// AddFlaw logs damage and adds it to Flaws, once.
func (n *Server) AddFlaw(f blocks.Flaw) {
	n.mu.Lock()
	known := slices.Contains(n.flaws, f)
	if !known {
		n.flaws = append(n.flaws, f)
	}
	n.mu.Unlock()
	if known {
		return
	}
	level := slog.LevelError
	if f.Torn {
		level = slog.LevelWarn
	}
	n.log.Log(context.Background(), level, "store is damaged", "err", f.Error())
}

// Flaws returns the damage found since the process began, oldest first.
func (n *Server) Flaws() []blocks.Flaw {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.flaws)
}

// InProcessConn dials the server that runs now.
func (n *Server) InProcessConn() (net.Conn, error) {
	srv := n.Running.Load()
	if srv == nil {
		return nil, errors.New("embedded NATS server is not running")
	}
	return srv.InProcessConn()
}

// Health is nil while the server is well, else the cause. The server calls the folder of a
// stream that is just being made a stream that it cannot recover.
func (n *Server) Health() error {
	err := HealthOf(n.Running.Load())
	if err != nil {
		n.Making.Lock()
		defer n.Making.Unlock()
		err = HealthOf(n.Running.Load())
	}
	return err
}

// Checked is the part of a server that reports its health.
type Checked interface {
	Healthz(*server.HealthzOptions) *server.HealthStatus
	ReadyForConnections(time.Duration) bool
}

// HealthOf asks again where a server that is ready says it is not: it gives itself
// a millisecond to see that, which a busy machine does not always have.
func HealthOf(srv Checked) error {
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

// ClientURL is where TCP clients connect, "" when there is no listener.
func (n *Server) ClientURL() string {
	if n.opts.DontListen {
		return ""
	}
	return n.Running.Load().ClientURL()
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
