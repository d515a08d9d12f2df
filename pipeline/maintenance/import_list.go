package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

const (
	importBucket = "import"
	maxListTries = 6 // in a row for one request
)

// importCursor is how far an unfinished import is. It is stored after each page.
type importCursor struct {
	Params url.Values      `json:"params"` // as the person gave them
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until"`
	List   int             `json:"list"` // place among the lists
	Next   *normalizer.Ask `json:"next"` // nil: the first page of the list
	Listed int             `json:"listed"`
}

// listImport pages through a provider's lists.
type listImport struct {
	*importer
	keys     normalizer.Keys
	client   *fetch.Client
	lists    []normalizer.Listing
	filters  url.Values
	limit    int
	pace     pace
	bucket   *stream.Bucket
	rev      uint64
	at       importCursor
	sessions *eventlog.Known // nil until a call is listed that webhooks may know by another id
	progress Progress
}

// importCalls imports what a provider lists of past calls.
func (m *Maintenance) importCalls(ctx context.Context, params url.Values, progress Progress) (Imported, error) {
	account := params.Get("account")
	p, keys, err := m.source(params.Get("provider"), account)
	if err != nil {
		return Imported{}, err
	}
	l := &listImport{keys: keys, progress: progress}
	if err := l.configure(p, params); err != nil {
		return Imported{}, err
	}
	defer l.client.Close()
	if l.bucket, err = m.cfg.Store.Bucket(ctx, importBucket); err != nil {
		return Imported{}, err
	}
	if l.importer, err = m.newImporter(ctx, p.Name, account); err != nil {
		return Imported{}, err
	}
	if err := l.begin(ctx, params, time.Now().UTC()); err != nil {
		return Imported{}, err
	}
	if err := l.run(ctx); err != nil {
		return l.done, err
	}
	if err := l.bucket.Delete(ctx, l.key("").Source()); err != nil {
		return l.done, err
	}
	return l.finish(ctx)
}

// configure checks what was asked for.
func (l *listImport) configure(p normalizer.Provider, params url.Values) (err error) {
	if l.limit, err = strconv.Atoi(params.Get("limit")); err != nil || l.limit < 0 {
		return refuse("limit: %.20q is not a number of entries", params.Get("limit"))
	}
	rate, err := strconv.ParseFloat(params.Get("rate"), 64)
	if err != nil || rate < 0 {
		return refuse("rate: %.20q is not a number of requests a second", params.Get("rate"))
	}
	l.pace = newPace(rate)
	if p.REST == nil || p.REST.Calls == nil {
		return refuse("%s has no list of calls: import a file", p.Title)
	}
	if l.client, err = fetch.New(p, l.keys, fetch.Options{Now: time.Now}); err != nil {
		return refuse("%w", err)
	}
	all := p.REST.Calls(l.keys)
	var names []string
	for _, list := range all {
		names = append(names, list.Name)
		if wanted := params["list"]; len(wanted) == 0 || slices.Contains(wanted, list.Name) {
			l.lists = append(l.lists, list)
		}
	}
	for _, name := range params["list"] {
		if !slices.Contains(names, name) {
			return refuse("%s has no list %.40q; it has %s", p.Title, name, strings.Join(names, ", "))
		}
	}
	if len(l.lists) == 0 {
		return refuse("%s has no list of calls with these settings: import a file", p.Title)
	}
	return l.filter(params["filter"])
}

func (l *listImport) filter(pairs []string) error {
	l.filters = url.Values{}
	if len(pairs) > 0 && len(l.lists) != 1 {
		return refuse("a filter belongs to one list: name it")
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !slices.Contains(l.lists[0].Filters, name) {
			return refuse("filter: %.60q is not name=value with one of %s", pair, strings.Join(l.lists[0].Filters, ", "))
		}
		l.filters.Add(name, value)
	}
	return nil
}

// begin finds out where to go on: at the cursor of an import that was asked for
// in the same words and did not end, else at the first page.
func (l *listImport) begin(ctx context.Context, params url.Values, now time.Time) error {
	restart := params.Get("restart") == "true"
	words := url.Values{}
	for name, values := range params {
		if name != "restart" && name != "rate" && len(values) > 0 {
			words[name] = values
		}
	}
	data, rev, err := l.bucket.Load(ctx, l.key("").Source())
	if err != nil {
		return err
	}
	l.rev = rev
	if !restart && data != nil && json.Unmarshal(data, &l.at) == nil && l.at.Params.Encode() == words.Encode() && l.at.List < len(l.lists) {
		l.done.Resumed = true
		return nil
	}
	l.at = importCursor{Params: words}
	if l.at.Since, err = eventlog.ParseTime(params.Get("since"), now); err != nil {
		return refuse("since: %w", err)
	}
	if l.at.Until, err = eventlog.ParseTime(params.Get("until"), now); err != nil {
		return refuse("until: %w", err)
	}
	if l.at.Until.IsZero() {
		l.at.Until = now // pages do not shift while new calls come in
	}
	if !l.at.Since.Before(l.at.Until) {
		return refuse("since is not before until")
	}
	return nil
}

func (l *listImport) run(ctx context.Context) error {
	var failed []error
	for begun := l.at.List; l.at.List < len(l.lists); l.at.List++ {
		list := l.lists[l.at.List]
		err := l.page(ctx, list)
		var skip *skipped
		switch {
		case errors.As(err, &skip):
			failed = append(failed, fmt.Errorf("list %s: %w", list.Name, skip))
			l.done.problem("list %s: %v", list.Name, skip)
		case err != nil:
			return fmt.Errorf("list %s: %w; the same command goes on from here", list.Name, err)
		}
		if len(failed) == len(l.lists)-begun {
			return &Refusal{Err: errors.Join(failed...)}
		}
		if l.done.More {
			return nil
		}
		l.at.Next = nil
	}
	return nil
}

// remember stores the cursor, for an import that is interrupted from here on.
func (l *listImport) remember(ctx context.Context) error {
	data, err := json.Marshal(l.at)
	if err != nil {
		return err
	}
	rev, ok, err := l.bucket.Save(ctx, l.key("").Source(), data, l.rev)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("another import of %s is under way", l.key("").Source())
	}
	l.rev = rev
	return nil
}
