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
)

const (
	maxSegment = 256  // of an id in a path, in bytes
	maxCursor  = 4096 // of what an answer gives us to find its next page, in bytes
	maxPages   = 1e6  // of one list
	pageSize   = "100"
)

var errElsewhere = errors.New("the next page leads elsewhere")

// about is the request for a report about a call: a path with an id for each %s.
// None where one of the ids cannot stand in a path.
func about(callID, format string, ids ...string) []Ask {
	segments := make([]any, len(ids))
	for i, id := range ids {
		s := segment(id)
		if s == "" {
			return nil
		}
		segments[i] = s
	}
	return []Ask{{Path: fmt.Sprintf(format, segments...), CallID: callID}}
}

// segment is an id as one segment of a path, escaped; "" where it cannot be one.
func segment(id string) string {
	if len(id) > maxSegment || id == "." || id == ".." || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return url.PathEscape(id)
}

// rfc3339 writes a time for a query, in UTC.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// setTime sets a parameter unless the time is zero.
func setTime(q url.Values, name string, t time.Time) {
	if !t.IsZero() {
		q.Set(name, rfc3339(t))
	}
}

// pageOf reads the records of a page: the list at the path.
func pageOf(answer []byte, path ...string) (whole node, records []node, err error) {
	if whole, err = parseJSON(answer); err != nil {
		return node{}, nil, err
	}
	list := whole.at(path...)
	switch {
	case whole.isFalse("status") || whole.isFalse("success") || refusal(whole) != nil:
		return node{}, nil, unknownBody(whole, "a list")
	case !list.isList():
		return node{}, nil, fmt.Errorf("a list without %s", strings.Join(path, "."))
	}
	if records = list.list(); len(records) > maxRecords {
		return node{}, nil, fmt.Errorf("%d records in one page, more than %d", len(records), maxRecords)
	}
	return whole, records, nil
}

// listed gathers the calls of a page. What is no object, or names no call, is
// left out: one odd record must not end an import.
func listed(records []node, read func(n node) Listed) []Listed {
	calls := make([]Listed, 0, len(records))
	for _, n := range records {
		if !n.isObject() {
			continue
		}
		l := read(n)
		if l.CallID == "" || len(l.CallID) > maxSegment {
			continue
		}
		body, err := json.Marshal(n.value())
		if err != nil {
			continue
		}
		l.Body = body
		calls = append(calls, l)
	}
	return calls
}

// allBefore says whether a page has calls and each was before since: where the
// newest come first, none that is wanted follows.
func allBefore(calls []Listed, since time.Time) bool {
	for _, l := range calls {
		if l.At.IsZero() || !l.At.Before(since) {
			return false
		}
	}
	return len(calls) > 0
}

// total is how many calls a list has, 0 where it does not tell.
func total(n node) int {
	if i := n.count(); i != nil && *i < 1e12 {
		return int(*i)
	}
	return 0
}

// with is the request with some of its parameters set anew.
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

// numbered is the request for the page after this one, by its number.
func (a Ask) numbered(param string) (*Ask, error) {
	n, err := strconv.Atoi(a.Query.Get(param))
	if err != nil || n < 0 || n >= maxPages {
		return nil, fmt.Errorf("%s is not the number of a page", param)
	}
	return a.with(param, strconv.Itoa(n+1)), nil
}

// continued is the request for the page that a cursor stands for, nil without one.
func (a Ask) continued(param string, cursor node) (*Ask, error) {
	s := cursor.text()
	switch {
	case s == "":
		return nil, nil
	case len(s) > maxCursor || !utf8.ValidString(s):
		return nil, errors.New("a cursor that is none")
	case s == a.Query.Get(param):
		return nil, errors.New("the list comes back to the same page")
	}
	return a.with(param, s), nil
}

// follow is the request for the page that a link leads to, nil without one. The
// link may only lead to the list itself, at one of the addresses by which the
// API is known; what is taken from it are its parameters.
func (a Ask) follow(link node, bases ...string) (*Ask, error) {
	s := link.text()
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxCursor || u.User != nil || u.Opaque != "" {
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
		return nil, errors.New("the list comes back to the same page")
	}
	return &next, nil
}
