package declared

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer/declared/expression"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// fetch is how reports are asked for.
type fetch struct {
	base    []expression.Piece // settings in braces
	method  string
	path    []expression.Piece
	query   []param
	body    string // of a POST, with names in braces
	auth    auth
	needs   []string
	rate    float64
	delays  []time.Duration
	after   []call.Kind
	pending *expression.Expression // the answer says that there is nothing yet
	list    *list
}

type param struct {
	name  string
	value []expression.Piece
}

// auth is how a request proves who asks.
type auth struct{ kind, header, prefix, setting, user string }

// list is how past calls are listed.
type list struct {
	path  []expression.Piece
	query []param
	items *expression.Path
	id    *expression.Expression
	at    *expression.Expression
	over  *expression.Expression
	next  *expression.Expression // the cursor, page number or address of the next page
	param string                 // query parameter of the cursor; "" where next is an address
}

// fetchNames are what templates of a request may name.
func fetchNames() []string {
	return []string{"callId", "sessionId", "parentCallId", "connectionId", "agentId", "region", "id"}
}

func listNames() []string {
	return []string{"since", "until", "since.unix", "until.unix", "since.date", "until.date"}
}

// rest describes the API. Rate and delays are those of the declaration at the start; the
// rest follows a reload. A declaration that has lost its fetch asks for nothing.
func (l *Live) rest() *normalizer.REST {
	f := l.Get().fetch
	now := func() *fetch { return cmp.Or(l.Get().fetch, f) }
	r := &normalizer.REST{
		Base: func(k normalizer.Keys) string {
			base, _ := expression.Expand(now().base, func(name string) string { return url.PathEscape(k.First(name)) })
			return normalizer.TrimSlash(base)
		},
		Needs:     func(normalizer.Keys) []string { return now().needs },
		Authorize: func(h http.Header, k normalizer.Keys) { now().auth.authorize(h, k) },
		Rate:      f.rate,
		Delays:    f.delays,
		Wants: func(e *call.Event, k normalizer.Keys) []normalizer.Ask {
			return l.Get().fetch.wants(e, k)
		},
		Holds:    func(a normalizer.Ask, answer []byte) normalizer.Holding { return l.Get().holds(a, answer) },
		Complete: func(c *call.Event) bool { return c.Final },
		Calls:    func(normalizer.Keys) []normalizer.Listing { return l.Get().listings() },
	}
	return r
}

func (a *auth) authorize(h http.Header, k normalizer.Keys) {
	switch a.kind {
	case "bearer":
		h.Set("Authorization", "Bearer "+k.First(a.setting))
	case "basic":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(k.First(a.user)+":"+k.First(a.setting))))
	case "header":
		h.Set(a.header, a.prefix+k.First(a.setting))
	}
}

// wants are the requests after an event.
func (f *fetch) wants(e *call.Event, k normalizer.Keys) []normalizer.Ask {
	if f == nil || !slices.Contains(f.after, e.Kind) {
		return nil
	}
	value := func(name string) string {
		if setting := k.First(name); setting != "" {
			return setting
		}
		if name == "id" {
			return ""
		}
		field, _ := call.Lookup(name)
		s, _ := field.Text(e)
		return s
	}
	segment := func(name string) string { return normalizer.PathSegment(value(name)) }
	path, ok := expression.Expand(f.path, segment)
	if !ok {
		return nil
	}
	ask := normalizer.Ask{Method: f.method, Path: path, CallID: e.CallID}
	if ask.Query, ok = queryOf(f.query, value); !ok {
		return nil
	}
	if f.body != "" {
		ask.Body = bodyOf(f.body, value)
	}
	return []normalizer.Ask{ask}
}

// bodyOf fills names in braces into a JSON body, as JSON texts without quotes.
func bodyOf(body string, value func(string) string) []byte {
	for _, name := range fetchNames() {
		quoted := string(expression.Encode(value(name)))
		if len(quoted) > 2 {
			body = strings.ReplaceAll(body, "{"+name+"}", quoted[1:len(quoted)-1])
		}
	}
	return []byte(body)
}

func queryOf(params []param, value func(string) string) (url.Values, bool) {
	if len(params) == 0 {
		return nil, true
	}
	q := url.Values{}
	for _, p := range params {
		v, ok := expression.Expand(p.value, value)
		if ok {
			q.Set(p.name, v)
		}
	}
	return q, true
}

// holds says how much of what was asked for an answer has.
func (d *Declaration) holds(a normalizer.Ask, answer []byte) normalizer.Holding {
	n, err := lenient.ParseJSON(answer)
	if err == nil && d.fetch != nil && d.fetch.pending != nil {
		r := expression.Run{Roots: map[string]lenient.Node{"body": n, "whole": n, "callId": lenient.Of(a.CallID), "source": lenient.Of(string(normalizer.Fetched))}}
		if r.Holds(d.fetch.pending) {
			return normalizer.Nothing
		}
	}
	return normalizer.HoldingOf(d.normalize, normalizer.IsFinal)(a, answer)
}

func (d *Declaration) listings() []normalizer.Listing {
	if d.fetch == nil || d.fetch.list == nil {
		return nil
	}
	l := d.fetch.list
	return []normalizer.Listing{{
		Name: "calls",
		First: func(since, until time.Time, k normalizer.Keys) normalizer.Ask {
			value := func(name string) string {
				t, form, _ := strings.Cut(name, ".")
				at := since
				switch t {
				case "until":
					at = until
				case "since":
				default:
					return k.First(name)
				}
				switch {
				case at.IsZero():
					return ""
				case form == "unix":
					return strconv.FormatInt(at.Unix(), 10)
				case form == "date":
					return at.UTC().Format(time.DateOnly)
				}
				return normalizer.RFC3339(at)
			}
			path, _ := expression.Expand(l.path, func(name string) string { return normalizer.PathSegment(value(name)) })
			q, _ := queryOf(l.query, value)
			return normalizer.Ask{Path: path, Query: q}
		},
		Page: func(this normalizer.Ask, answer []byte, since time.Time, k normalizer.Keys) (normalizer.Page, error) {
			var members []string
			if l.items != nil {
				members = l.items.Members
			}
			whole, records, err := normalizer.PageOf(answer, members...)
			if err != nil {
				return normalizer.Page{}, err
			}
			page := normalizer.Page{Calls: normalizer.CallsOf(records, func(n lenient.Node) normalizer.Listed { return l.listed(d, n, k) })}
			r := expression.Run{Roots: map[string]lenient.Node{"body": whole, "whole": whole}}
			if l.next == nil || len(records) == 0 {
				return page, nil
			}
			next := lenient.Of(r.Eval(l.next))
			cursor, _ := expression.Text(next.Value()).(string)
			if l.param == "" {
				page.Next, err = this.Follow(lenient.Of(cursor), d.bases(k)...)
			} else {
				page.Next, err = this.Continued(l.param, lenient.Of(cursor))
			}
			return page, err
		},
	}}
}

func (d *Declaration) bases(k normalizer.Keys) []string {
	base, _ := expression.Expand(d.fetch.base, func(name string) string { return url.PathEscape(k.First(name)) })
	return []string{cmp.Or(normalizer.TrimSlash(k.First(normalizer.APIURL)), normalizer.TrimSlash(base)), normalizer.TrimSlash(base)}
}

func (l *list) listed(d *Declaration, n lenient.Node, k normalizer.Keys) normalizer.Listed {
	r := expression.Run{Roots: map[string]lenient.Node{"body": n, "item": n, "whole": n}}
	out := normalizer.Listed{Over: true}
	out.CallID, _ = expression.Text(r.Eval(l.id)).(string)
	if l.at != nil {
		out.At, _ = expression.Instant(r.Eval(l.at)).(time.Time)
	}
	if l.over != nil {
		out.Over = r.Holds(l.over)
	}
	if e := (call.Event{Identity: call.Identity{CallID: out.CallID, Kind: call.Ended}}); out.Over && out.CallID != "" {
		out.Asks = d.fetch.wants(&e, k)
	}
	return out
}
