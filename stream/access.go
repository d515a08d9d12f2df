package stream

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// Permissions are the subjects that a NATS user may publish and subscribe to.
type Permissions struct{ Publish, Subscribe []string }

// readable are the streams that other programs read.
var readable = [...]string{eventStream, alertStream}

// ReaderPermissions are the least that a program needs to follow events and
// transitions, by subscribing or with an ordered consumer. They allow no change of
// what is stored: a reader makes consumers of its own and cannot delete any; the
// server removes those that nobody reads.
func ReaderPermissions() Permissions {
	p := Permissions{
		Publish:   []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES"},
		Subscribe: []string{eventPrefix + ">", alertPrefix + ">", "_INBOX.>"},
	}
	for _, s := range readable {
		p.Publish = append(p.Publish, "$JS.API.STREAM.INFO."+s, "$JS.API.STREAM.MSG.GET."+s, "$JS.API.CONSUMER.CREATE."+s, "$JS.API.CONSUMER.CREATE."+s+".>",
			"$JS.API.CONSUMER.INFO."+s+".*", "$JS.API.CONSUMER.MSG.NEXT."+s+".*", "$JS.FC."+s+".>")
	}
	return p
}

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
	ownUser       = "callwatch"
	defaultReader = "reader"
	maxReaders    = 512 // connections to the listener: each takes a descriptor and memory
)

// checkListener refuses a listener that everybody on the network could use.
func (c *Config) checkListener() error {
	if c.Listen == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("address of the NATS listener %q: %w", c.Listen, err)
	}
	if c.ListenUser == ownUser {
		return fmt.Errorf("user of the NATS listener: %q is the name of callwatch itself, choose another", ownUser)
	}
	if ip := net.ParseIP(host); c.ListenPassword == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("the NATS listener at %s can be reached from other machines: set a password for it, or listen on 127.0.0.1", c.Listen)
	}
	return nil
}

// listenOn sets where the embedded server takes clients and what they may do. The
// process itself gets a user with all rights and a random password.
func (c *Config) listenOn(opts *server.Options) (password string, err error) {
	password = rand.Text()
	p := ReaderPermissions()
	reader := &server.User{Username: c.ListenUser, Password: c.ListenPassword, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: p.Publish}, Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
	}}
	if reader.Username == "" {
		reader.Username = defaultReader
	}
	if reader.Password == "" {
		reader.Password = rand.Text()
		opts.NoAuthUser = reader.Username // on loopback
	}
	opts.MaxConn = maxReaders
	opts.Users = []*server.User{{Username: ownUser, Password: password}, reader}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", err
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return "", fmt.Errorf("address of the NATS listener %q: port is not a number", c.Listen)
	}
	opts.Host = host
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return password, nil
}

// errReadOnly answers writes of a store that was opened to read.
var errReadOnly = errors.New("the store is open for reading only")
