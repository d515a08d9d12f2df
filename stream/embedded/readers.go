package embedded

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"callwatch/stream/names"
)

// Readers are in an account of their own. JetStream's API answers to the subject that a
// request names, and a consumer delivers to the one that its configuration names: who may
// use it within callwatch's account can have the server itself purge a stream or store
// messages. From another account answers come back there, and nowhere else; consumers are
// made by callwatch, which looks at their configuration.

const (
	readersAccount = "READERS"
	createAPI      = "$JS.API.CONSUMER.CREATE."
	createService  = "callwatch.reader.create." // where requests of readers to make a consumer arrive

	createTime   = 5 * time.Second
	longestIdle  = 5 * time.Minute // of a consumer that nobody reads
	refusedCode  = 403
	maxConsumers = 256      // of a stream, callwatch's own among them
	largestQuery = 64 << 10 // bytes of a request to make a consumer
)

// readable are the streams that other programs read.
var readable = [...]string{names.EventStream, names.AlertStream}

// ReaderPermissions are what a program needs to follow events and transitions by
// subscribing: on an external server the user is in another account than callwatch's,
// which imports these subjects.
func ReaderPermissions() Permissions {
	return Permissions{Subscribe: []string{names.EventPrefix + ">", names.AlertPrefix + ">", "_INBOX.>"}}
}

// listenerPermissions are also what an ordered consumer needs.
func listenerPermissions() *server.Permissions {
	publish := []string{createAPI + ">"}
	for _, one := range readerServices() {
		publish = append(publish, one.subject)
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: ReaderPermissions().Subscribe},
	}
}

// readerService is a part of JetStream's API that readers may use as it is.
type readerService struct {
	subject  string
	response server.ServiceRespType
}

func readerServices() []readerService {
	all := []readerService{{"$JS.API.INFO", server.Singleton}, {"$JS.API.STREAM.NAMES", server.Singleton}}
	for _, s := range readable {
		all = append(all,
			readerService{"$JS.API.STREAM.INFO." + s, server.Singleton},
			readerService{"$JS.API.STREAM.MSG.GET." + s, server.Singleton},
			readerService{"$JS.API.CONSUMER.INFO." + s + ".*", server.Singleton},
			readerService{"$JS.API.CONSUMER.MSG.NEXT." + s + ".*", server.Streamed},
		)
	}
	return all
}

// gate says who a client of the listener is: callwatch itself, or a reader.
type gate struct {
	own            string // password of callwatch itself
	user, password string // of readers; without a password everybody is one

	mu      sync.Mutex
	readers func() (*server.Account, error) // makes their account with the first of them; nil before the start
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == OwnUser {
		if !same(o.Password, g.own) {
			return false
		}
		c.RegisterUser(&server.User{Username: OwnUser})
		return true
	}
	if g.password != "" && !(same(o.Username, g.user) && same(o.Password, g.password)) {
		return false
	}
	g.mu.Lock()
	readers := g.readers
	g.mu.Unlock()
	if readers == nil {
		return false
	}
	account, err := readers()
	if err != nil {
		return false
	}
	c.RegisterUser(&server.User{Username: g.user, Account: account, Permissions: listenerPermissions()})
	return true
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// makeReaders makes the account of readers.
func makeReaders(srv *server.Server) (*server.Account, error) {
	account, _ := srv.LookupOrRegisterAccount(readersAccount)
	own := srv.GlobalAccount()
	var failed error
	for _, subject := range []string{names.EventPrefix + ">", names.AlertPrefix + ">"} {
		failed = errors.Join(failed, own.AddStreamExport(subject, nil), account.AddStreamImport(own, subject, ""))
	}
	for _, s := range readerServices() {
		failed = errors.Join(failed, own.AddServiceExportWithResponse(s.subject, s.response, nil), account.AddServiceImport(own, s.subject, s.subject))
	}
	for _, s := range readable {
		failed = errors.Join(failed,
			own.AddServiceExport(createService+s, nil), account.AddServiceImport(own, createAPI+s, createService+s),
			own.AddServiceExport(createService+s+".>", nil), account.AddServiceImport(own, createAPI+s+".>", createService+s+".>"))
	}
	return account, failed
}

// use sets the server whose clients are checked.
func (g *gate) use(srv *server.Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.readers = sync.OnceValues(func() (*server.Account, error) { return makeReaders(srv) })
}

// ServeReaders makes the consumers that readers ask for, over a connection of callwatch
// itself, until that is closed.
func ServeReaders(ctx context.Context, nc *nats.Conn) error {
	_, err := nc.Subscribe(createService+">", func(m *nats.Msg) {
		answer, err := createConsumer(ctx, nc, strings.TrimPrefix(m.Subject, createService), m.Data)
		if err != nil {
			answer, _ = json.Marshal(server.JSApiConsumerCreateResponse{ // plain structs
				ApiResponse: server.ApiResponse{Type: server.JSApiConsumerCreateResponseType, Error: &server.ApiError{Code: refusedCode, Description: err.Error()}},
			})
		}
		_ = m.Respond(answer) // a reader that is gone needs none
	})
	if err != nil {
		return fmt.Errorf("serve readers: %w", err)
	}
	return nil
}

// createConsumer makes the consumer that a reader asks for: one that is pulled from, in
// memory, and gone when nobody reads it.
func createConsumer(ctx context.Context, nc *nats.Conn, target string, request []byte) (answer []byte, err error) {
	var r server.CreateConsumerRequest
	if len(request) > largestQuery || json.Unmarshal(request, &r) != nil {
		return nil, errors.New("not a request to make a consumer")
	}
	switch c := &r.Config; {
	case c.DeliverSubject != "" || c.DeliverGroup != "":
		return nil, errors.New("a reader's consumer is pulled from: give no deliver_subject, or subscribe without JetStream")
	case c.Durable != "":
		return nil, errors.New("a reader's consumer has no durable name")
	default:
		r.Action = server.ActionCreate // never changes one that is there
		c.MemoryStorage, c.Replicas, c.Metadata = true, 1, nil
		if c.InactiveThreshold <= 0 || c.InactiveThreshold > longestIdle {
			c.InactiveThreshold = longestIdle
		}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, createTime)
	defer cancel()
	stream, _, _ := strings.Cut(target, ".")
	m, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+stream, nil)
	if err != nil {
		return nil, err
	}
	var info server.JSApiStreamInfoResponse
	if err := json.Unmarshal(m.Data, &info); err != nil || info.StreamInfo == nil || info.State.Consumers >= maxConsumers {
		return nil, errors.New("the stream has too many consumers")
	}
	m, err = nc.RequestWithContext(ctx, createAPI+target, body)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}
