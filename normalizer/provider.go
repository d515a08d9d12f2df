// Package normalizer knows the providers: how each signs its webhooks, and what
// its bodies mean in the words of package call. Each provider is a package
// below this one and a line in normalizer/registry.
package normalizer

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/minio/highwayhash"

	"callwatch/call"
)

// Provider is one vendor.
type Provider struct {
	Name     string // in routes, subjects, metrics and environment names: lower case letters
	Title    string // as people write it: "Telnyx"
	Settings []Setting

	// Supplies are the names of the call fields that this provider can report.
	Supplies []string

	// Aliases says that the provider calls one call by several ids, which its events
	// have as aliases: they are kept under one of them.
	Aliases bool

	// Headers are the request headers that Normalize reads beside the body. Only
	// these are stored, so none may be a credential.
	Headers []string

	// Causes are the provider's own words for why a call ended, in lower case,
	// with what each means; "*" is any other word. nil for a provider that sends
	// the names or codes of Q.850 and FreeSWITCH, or none.
	Causes map[string]Cause

	// SignsURL says that signatures cover the URL, so that they can only be checked
	// when it is known under which one the provider calls.
	SignsURL bool

	// Verify checks the provider's own signature and returns which of the keys
	// made it, in a form that can be stored and shown ("signing_key 1"). nil for
	// a provider that cannot sign. Errors wrap ErrSignature or ErrStale.
	Verify func(r *Request, k Keys) (key string, err error)

	// Normalize turns one stored body into events, several for an array or list
	// of reports. A kind that is known to be of no interest gives none. An error
	// means the body cannot be understood; it never stops at a single odd member.
	Normalize func(b *Body) ([]call.Event, error)

	// REST is how reports are fetched; nil where nothing can be.
	REST *REST

	// Replay is how long a request with the same content counts as the same: that long
	// it is acknowledged and not stored a second time. It is the age up to which
	// signatures are accepted; where nothing signed tells the time, it only bounds how
	// much a captured request can fill. 0: five minutes.
	Replay time.Duration

	// Unsigned says that nothing proves who sent a pushed body. Where its reports
	// are fetched (Options.Fetches), a pushed body only wakes the fetch, and what is
	// fetched tells what became of the call. A call that cannot be fetched was
	// not confirmed: its pushed body belongs to the dead letters.
	Unsigned bool
}

// Setting is one thing an operator configures for a provider. Its environment
// name is CALLWATCH_<PROVIDER>_<NAME>.
type Setting struct {
	Name   string // upper case: "PUBLIC_KEY"
	Use    Use
	Secret bool
	Doc    string // one sentence: what it is and where to find it
	// Check refuses a value that can never work, saying why; nil accepts all.
	Check func(value string) error
}

// Use says what a setting is for.
type Use string

const (
	ForVerify Use = "verification"
	ForREST   Use = "rest"
)

// Settings every provider has.
const (
	URLToken = "URL_TOKEN" // verification for senders that cannot sign
	APIURL   = "API_URL"   // another REST base URL
)

// AllSettings are the provider's own settings and those every provider has.
func (p Provider) AllSettings() []Setting {
	all := append([]Setting(nil), p.Settings...)
	common := []Setting{
		{Name: URLToken, Use: ForVerify, Secret: true, Doc: "secret path segment or basic-auth password, for senders that cannot sign; a list during rotation"},
		{Name: APIURL, Use: ForREST, Doc: "another REST base URL, for proxies and tests", Check: CheckAddress},
	}
	for _, c := range common {
		if !hasSetting(all, c.Name) {
			all = append(all, c)
		}
	}
	return all
}

func hasSetting(settings []Setting, name string) bool {
	for _, s := range settings {
		if s.Name == name {
			return true
		}
	}
	return false
}

// EnvName is the environment variable of one of the provider's settings.
func (p Provider) EnvName(setting string) string {
	return "CALLWATCH_" + strings.ToUpper(p.Name) + "_" + setting
}

// EnvNameOf is the environment variable of a setting of one of the provider's accounts;
// EnvName where the account is "".
func (p Provider) EnvNameOf(account, setting string) string {
	if account == "" {
		return p.EnvName(setting)
	}
	return "CALLWATCH_" + strings.ToUpper(p.Name) + "__" + strings.ToUpper(strings.ReplaceAll(account, "-", "_")) + "__" + setting
}

// Keys are the configured values by setting name. A verification secret may
// have several values while it is being rotated.
type Keys map[string][]string

// Verifiable says whether any of the provider's verification settings is set.
// A provider without one is off.
func (p Provider) Verifiable(k Keys) bool {
	for i := range p.Settings {
		if p.Settings[i].Use == ForVerify && len(k[p.Settings[i].Name]) > 0 {
			return true
		}
	}
	return len(k[URLToken]) > 0 && !hasSetting(p.Settings, URLToken)
}

// Request is an HTTP request as received. Nothing in it is trusted yet.
type Request struct {
	URL         string // public URL the provider called: scheme, host, path, query
	Header      http.Header
	Body        []byte
	Token       string // path segment or basic-auth password, "" for none
	ReceivedAt  time.Time
	ContentType string
	Account     string // whose keys are tried; "" for the provider's own settings

	// Signed is set by a provider's Verify: what its signature covers beside the body
	// and the URL, such as a timestamp. A request that differs in it is another one.
	Signed string
}

// Reasons why a request is not accepted. The answer to a client tells the first
// two apart from nothing else.
var (
	ErrSignature = errors.New("signature missing or wrong")       // 401
	ErrStale     = errors.New("signature too old")                // 401
	ErrOff       = errors.New("provider has no verification set") // 403
)

// Webhook is a verified request: only Verify makes one, so unverified bytes
// cannot be stored.
type Webhook struct{ body Body }

// Body is what was verified, to be stored as it is.
func (w Webhook) Body() Body { return w.body }

// Source says how a body came to us.
type Source string

const (
	Pushed   Source = "webhook" // the provider sent it
	Fetched  Source = "fetch"   // we asked for it after the call's end
	Imported Source = "import"  // history, asked for or read from a file
)

// Identity tells a request that is sent again from others. The zero value is of no
// request: fetched, imported, or not verified.
type Identity struct {
	Digest Digest        // of all that was verified
	Within time.Duration // how long an equal one is the same request
}

// Digest is a keyed hash (HighwayHash-128). Its key is of this process: nobody else can make
// two requests with one digest.
type Digest [highwayhash.Size128]byte

// Body is a stored body with what a normalizer needs beside it.
type Body struct {
	Provider    string
	Account     string // of the provider; "" where its settings name none
	Source      Source
	ContentType string
	Header      map[string]string // the few headers a normalizer reads; never credentials
	Bytes       []byte
	ReceivedAt  time.Time
	RawID       string // where it is stored
	Key         string // which key verified it
	CallID      string // the call it was fetched for, "" for webhooks
	Identity    Identity
}
