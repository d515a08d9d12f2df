package embedded

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// Permissions are the subjects that a NATS user may publish and subscribe to.
type Permissions struct{ Publish, Subscribe []string }

// OwnPermissions are the least that callwatch itself needs on an external server, in
// an account of its own. They do not include deleting, restoring or moving a stream.
func OwnPermissions() Permissions {
	return Permissions{
		Publish: []string{
			"callwatch.>", "$KV.>", "$JS.API.INFO", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.PURGE.*",
			"$JS.API.STREAM.MSG.GET.*", "$JS.API.STREAM.MSG.DELETE.*", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.CREATE.>",
			"$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.DELETE.*.*", "$JS.API.CONSUMER.MSG.NEXT.*.*",
		},
		Subscribe: []string{"_INBOX.>"},
	}
}

const (
	OwnUser       = "callwatch"
	defaultReader = "reader"
	maxReaders    = 512 // connections to the listener: each takes a descriptor and memory
)

// Listener is where the server lets other programs read; without an Address it opens no
// port. Without a Password the Address must be on loopback, and everybody there may read.
type Listener struct {
	Address        string // of TCP
	User, Password string // "": the user reader, and no password
}

// Check refuses a listener that everybody on the network could use.
func (c *Listener) Check() error {
	if c.Address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("address of the NATS listener %q: %w", c.Address, err)
	}
	if c.User == OwnUser {
		return fmt.Errorf("user of the NATS listener: %q is the name of callwatch itself, choose another", OwnUser)
	}
	if ip := net.ParseIP(host); c.Password == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("the NATS listener at %s can be reached from other machines: set a password for it, or listen on 127.0.0.1", c.Address)
	}
	return nil
}

// listenOn sets where the embedded server takes clients and who they are.
func (c *Listener) listenOn(opts *server.Options) (*gate, error) {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("address of the NATS listener %q: port is not a number", c.Address)
	}
	opts.Host = host
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	opts.MaxConn = maxReaders
	g := &gate{own: rand.Text(), user: cmp.Or(c.User, defaultReader), password: c.Password}
	opts.CustomClientAuthentication = g
	return g, nil
}
