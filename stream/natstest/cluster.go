// Package natstest runs a cluster of three real NATS servers, each a process of
// its own, whose connections can be cut. It serves tests only.
package natstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// size of the cluster.
const size = 3

const startWait = time.Minute

// Cluster is three servers that run below a directory.
type Cluster struct {
	// CA and Creds are files for clients, "" where the cluster asks for neither.
	CA, Creds string

	dir     string
	binary  string
	secured *secured // nil: no TLS, no accounts
	nodes   []*node
	routes  map[[2]int]*proxy // by who dials and who is dialled
	entries []*Entry
}

// node is one server.
type node struct {
	name                     string
	client, cluster, monitor string // addresses
	cmd                      *exec.Cmd
	log                      *os.File
}

// shared is the nats-server of all clusters of a test binary, beside it: go test removes
// the folder.
var shared = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return build(filepath.Dir(self))
})

// build builds nats-server from the module that callwatch embeds.
func build(dir string) (string, error) {
	path := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
}

// Start starts a cluster below dir. Secure makes it ask for TLS and for credentials.
func Start(ctx context.Context, dir string, secure bool) (*Cluster, error) {
	c := &Cluster{dir: dir, routes: map[[2]int]*proxy{}}
	var err error
	if testing.Testing() {
		c.binary, err = shared()
	} else {
		c.binary, err = build(dir)
	}
	if err != nil {
		return nil, err
	}
	if secure {
		if c.secured, err = secureIn(dir); err != nil {
			return nil, err
		}
		c.CA, c.Creds = c.secured.ca, c.secured.creds
	}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// arrange gives every server its addresses and its configuration.
func (c *Cluster) arrange() error {
	for i := range size {
		n := &node{name: fmt.Sprint("n", i)}
		for _, a := range []*string{&n.client, &n.cluster, &n.monitor} {
			var err error
			if *a, err = FreeAddress(); err != nil {
				return err
			}
		}
		var err error
		if n.log, err = os.Create(filepath.Join(c.dir, n.name+".log")); err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	for i := range c.nodes {
		for j, other := range c.nodes {
			if i == j {
				continue
			}
			p, err := listen(other.cluster)
			if err != nil {
				return err
			}
			c.routes[[2]int{i, j}] = p
		}
	}
	for i := range c.nodes {
		if err := os.WriteFile(c.configFile(i), []byte(c.config(i)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) configFile(i int) string { return filepath.Join(c.dir, c.nodes[i].name+".conf") }

func (c *Cluster) storeDir(i int) string { return filepath.Join(c.dir, c.nodes[i].name) }

func (c *Cluster) config(i int) string {
	n := c.nodes[i]
	var routes []string
	for j := range c.nodes {
		if p := c.routes[[2]int{i, j}]; p != nil {
			routes = append(routes, "nats://"+p.address())
		}
	}
	text := fmt.Sprintf(`server_name: %s
listen: %q
http: %q
jetstream { store_dir: %q, sync_interval: always }
cluster { name: test, listen: %q, no_advertise: true, routes: [%s] }
`, n.name, n.client, n.monitor, c.storeDir(i), n.cluster, strings.Join(routes, ", "))
	if c.secured != nil {
		text += c.secured.config()
	}
	return text
}

// StartNode starts a server that is not running.
func (c *Cluster) StartNode(i int) error {
	n := c.nodes[i]
	n.cmd = exec.Command(c.binary, "-c", c.configFile(i))
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	return nil
}

// KillNode ends a server as a crash does.
func (c *Cluster) KillNode(i int) {
	if n := c.nodes[i]; n.cmd != nil && n.cmd.ProcessState == nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
}

// PIDs are the processes of the servers that run.
func (c *Cluster) PIDs() (pids []int) {
	for _, n := range c.nodes {
		if n.cmd != nil && n.cmd.ProcessState == nil {
			pids = append(pids, n.cmd.Process.Pid)
		}
	}
	return pids
}

// Await waits until every server that runs is well and has caught up.
func (c *Cluster) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for _, n := range c.nodes {
		for n.cmd != nil && n.cmd.ProcessState == nil && !n.well(ctx) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not get well: %s", n.name, n.lastWords())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// lastWords are the end of what the server logged.
func (n *node) lastWords() string {
	said, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-1000):])
}

func (n *node) well(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.monitor+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Cut separates a server from the other two; its clients stay. Connections are
// not closed: nothing comes through any more, as with a broken network.
func (c *Cluster) Cut(i int) {
	for pair, p := range c.routes {
		if pair[0] == i || pair[1] == i {
			p.cut()
		}
	}
}

// Heal undoes every Cut.
func (c *Cluster) Heal() {
	for _, p := range c.routes {
		p.heal()
	}
}

// Close ends the servers and all connections.
func (c *Cluster) Close() error {
	for i, n := range c.nodes {
		c.KillNode(i)
		_ = n.log.Close()
	}
	for _, p := range c.routes {
		p.close()
	}
	for _, e := range c.entries {
		for _, p := range e.proxies {
			p.close()
		}
	}
	return nil
}

// Entry is one client's way to the cluster.
type Entry struct {
	URL     string // of all servers
	proxies []*proxy
}

// Enter makes a way for one client, which can be cut without touching the others.
func (c *Cluster) Enter() (*Entry, error) {
	e := &Entry{}
	var urls []string
	scheme := "nats://"
	if c.secured != nil {
		scheme = "tls://"
	}
	c.entries = append(c.entries, e)
	for _, n := range c.nodes {
		p, err := listen(n.client)
		if err != nil {
			return nil, err
		}
		e.proxies = append(e.proxies, p)
		urls = append(urls, scheme+p.address())
	}
	e.URL = strings.Join(urls, ",")
	return e, nil
}

// Cut stops all that goes between the client and the cluster.
func (e *Entry) Cut() {
	for _, p := range e.proxies {
		p.cut()
	}
}

// Heal undoes Cut.
func (e *Entry) Heal() {
	for _, p := range e.proxies {
		p.heal()
	}
}

// FreeAddress has a port below those that systems give to connections: nobody is to
// have it while its process is down.
func FreeAddress() (string, error) {
	const lowest, many, tries = 15000, 15000, 100
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", lowest+rand.IntN(many))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}
