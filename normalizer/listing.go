package normalizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"callwatch/normalizer/lenient"
)

const (
	MaxSegment = 256  // of an id in a path, in bytes
	MaxCursor  = 4096 // of what an answer gives us to find its next page, in bytes
	maxPages   = 1e6  // of one list
	PageSize   = "100"
)

var errElsewhere = errors.New("the next page leads elsewhere")

// AskAbout is the request for a report about a call: a path with an id for each %s.
// None where one of the ids cannot be in a path.
func AskAbout(callID, format string, ids ...string) []Ask {
	segments := make([]any, len(ids))
	for i, id := range ids {
		s := PathSegment(id)
		if s == "" {
			return nil
		}
		segments[i] = s
	}
	return []Ask{{Path: fmt.Sprintf(format, segments...), CallID: callID}}
}

// PathSegment is an id as one segment of a path, escaped; "" where it cannot be one.
func PathSegment(id string) string {
	if len(id) > MaxSegment || id == "." || id == ".." || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return url.PathEscape(id)
}

// RFC3339 writes a time for a query, in UTC.
func RFC3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// SetTime sets a parameter unless the time is zero.
func SetTime(q url.Values, name string, t time.Time) {
	if !t.IsZero() {
		q.Set(name, RFC3339(t))
	}
}

// PageOf reads the records of a page: the list at the path.
func PageOf(answer []byte, path ...string) (whole lenient.Node, records []lenient.Node, err error) {
	if whole, err = lenient.ParseJSON(answer); err != nil {
		return lenient.Node{}, nil, err
	}
	list := whole.At(path...)
	switch {
	case whole.IsFalse("status") || whole.IsFalse("success") || ErrorAnswer(whole) != nil:
		return lenient.Node{}, nil, UnknownBody(whole, "a list")
	case !list.IsList():
		return lenient.Node{}, nil, fmt.Errorf("a list without %s", strings.Join(path, "."))
	}
	if records = list.List(); len(records) > MaxRecords {
		return lenient.Node{}, nil, fmt.Errorf("%d records in one page, more than %d", len(records), MaxRecords)
	}
	return whole, records, nil
}

// CallsOf gathers the calls of a page. What is no object, or names no call, is
// left out: one odd record must not end an import.
func CallsOf(records []lenient.Node, read func(n lenient.Node) Listed) []Listed {
	calls := make([]Listed, 0, len(records))
	for _, n := range records {
		if !n.IsObject() {
			continue
		}
		l := read(n)
		if l.CallID == "" || len(l.CallID) > MaxSegment {
			continue
		}
		body, err := json.Marshal(n.Value())
		if err != nil {
			continue
		}
		l.Body = body
		calls = append(calls, l)
	}
	return calls
}

// AllBefore says whether a page has calls and each was before since: where the
// newest come first, none that is wanted follows.
func AllBefore(calls []Listed, since time.Time) bool {
	for _, l := range calls {
		if l.At.IsZero() || !l.At.Before(since) {
			return false
		}
	}
	return len(calls) > 0
}

// TotalOf is how many calls a list has, 0 where it does not tell.
func TotalOf(n lenient.Node) int {
	if i := n.Count(); i != nil && *i < 1e12 {
		return int(*i)
	}
	return 0
}

// with is the request with some of its parameters replaced.
func (a Ask) with(pairs ...string) *Ask {
	next := a
	next.Query = url.Values{}
	for name, values := range a.Query {
		next.Query[name] = append([]string(nil), values...)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		next.Query.Set(pairs[i], pairs[i+1])
	}
	return &next
}

// Numbered is the request for the page after this one, by its number.
func (a Ask) Numbered(param string) (*Ask, error) {
	n, err := strconv.Atoi(a.Query.Get(param))
	if err != nil || n < 0 || n >= maxPages {
		return nil, fmt.Errorf("%s is not the number of a page", param)
	}
	return a.with(param, strconv.Itoa(n+1)), nil
}

// Continued is the request for the page of a cursor, nil without one.
func (a Ask) Continued(param string, cursor lenient.Node) (*Ask, error) {
	s := cursor.Text()
	switch {
	case s == "":
		return nil, nil
	case len(s) > MaxCursor || !utf8.ValidString(s):
		return nil, errors.New("a cursor that is none")
	case s == a.Query.Get(param):
		return nil, errors.New("the list repeats a page")
	}
	return a.with(param, s), nil
}

// Follow is the request for the page that a link leads to, nil without one. The
// link may only lead to the list itself, at one of the addresses by which the
// API is known; what is taken from it are its parameters.
func (a Ask) Follow(link lenient.Node, bases ...string) (*Ask, error) {
	s := link.Text()
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > MaxCursor || u.User != nil || u.Opaque != "" {
		return nil, errElsewhere
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errElsewhere
	}
	known := false
	for _, address := range bases {
		base, err := url.Parse(address)
		if err != nil {
			continue
		}
		here := u.Scheme == "" && u.Host == "" || u.Scheme == base.Scheme && u.Host == base.Host
		path := strings.TrimSuffix(u.EscapedPath(), ".json")
		known = known || here && strings.HasPrefix(path, "/") && (path == base.EscapedPath()+a.Path || strings.HasSuffix(a.Path, path))
	}
	if !known {
		return nil, errElsewhere
	}
	next := a
	next.Query = query
	if next.ID() == a.ID() {
		return nil, errors.New("the list repeats a page")
	}
	return &next, nil
}
