package readmodel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/readmodel/figures"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
	"callwatch/rules"
	"callwatch/stream"
	"callwatch/stream/frame"
)

// Batches: what one transaction holds, and how long the first message of one waits.
const (
	batchMessages = 1000 // short enough for a Pause behind each to bound the share of the time
	buildMessages = 4000 // while the file is built
	batchWait     = 250 * time.Millisecond

	// buildShare is how many times the usual share of the time a build takes: without the
	// whole file lists and figures are not complete.
	buildShare = 4

	// retainEvery is how often the model drops what the streams no longer keep.
	retainEvery = 30 * time.Second
	// retainAtOnce is how many calls one transaction drops.
	retainAtOnce = 1000
)

// feed writes the file. It is used under Model.feeding.
type feed struct {
	model *Model
	conn  *sqlite3.Conn
	calls *cache

	event, transition           uint64 // watermarks, as stored
	nextEvent, nextTransition   uint64 // as of the open batch
	firstEvent, firstTransition uint64 // everything before was dropped since the start

	build  *build // nil: the file is complete
	marked uint64 // the event of the mark in the file, if it is known

	corrected eventlog.Corrections
	dirty     []*entry
	hours     map[hourKey]*figures.Cell // changes of the open batch
	statement map[string]*sqlite3.Stmt
	rows      schema.Writer

	// erased are calls with the sequence up to which their events are not folded.
	erased map[call.Key]uint64
}

// hourKey names a cell of the table hours.
type hourKey struct {
	dim      int
	hour     int64
	provider string
	value    string
}

// item is one message of EVENTS or of ALERTS.
type item struct {
	message    *stream.Message
	event      *call.Event // nil: none, or it cannot be read
	transition *stream.Transition
	parsed     *rules.Transition
}

func newFeed(ctx context.Context, m *Model, f *sqlitefile.File) (*feed, error) {
	d := &feed{
		model: m, conn: f.Writer, calls: newCache(m.cached), corrected: eventlog.Corrections{}, hours: map[hourKey]*figures.Cell{},
		statement: map[string]*sqlite3.Stmt{}, erased: map[call.Key]uint64{},
	}
	d.rows.Prepared = d.prepared
	for name, to := range map[string]*uint64{"event": &d.event, "transition": &d.transition} {
		text, _, err := sqlitefile.Meta(f.Writer, name)
		if err != nil {
			return d, err
		}
		*to = parseSeq(text)
	}
	d.nextEvent, d.nextTransition = d.event, d.transition
	if err := d.checkStore(ctx, f.Empty); err != nil {
		return d, err
	}
	err := d.query("SELECT of, raw FROM corrections", nil, func(s *sqlite3.Stmt) error {
		of, err := frame.ParsePosition(s.ColumnText(0))
		raw, err2 := frame.ParsePosition(s.ColumnText(1))
		d.corrected[of] = raw
		return errors.Join(err, err2)
	})
	return d, err
}

// checkStore fails with sqlitefile.ErrOther if the file was made from another store, or from
// more than the store has now. An empty file is built.
func (d *feed) checkStore(ctx context.Context, empty bool) error {
	ends, err := d.model.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	if empty {
		return d.begin(ends)
	}
	if d.event > ends.Last || d.transition > ends.LastTransition {
		return sqlitefile.ErrOther
	}
	have, _, err := sqlitefile.Meta(d.conn, "mark")
	if err != nil || have == "" {
		return err
	}
	var k mark
	if json.Unmarshal([]byte(have), &k) != nil {
		return sqlitefile.ErrOther
	}
	msg, err := d.model.cfg.Store.EventAt(ctx, k.Seq)
	if errors.Is(err, stream.ErrNotFound) {
		return nil // it has expired or was erased
	}
	if err == nil && !msg.Time.Equal(k.At) {
		return sqlitefile.ErrOther
	}
	return err
}

// mark is an event by which a file and a store are known to belong together.
type mark struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
}

func (d *feed) end() error {
	var errs []error
	for _, s := range d.statement {
		errs = append(errs, s.Close())
	}
	clear(d.statement)
	return errors.Join(errs...)
}

// prepared is the statement of an SQL text, made once.
func (d *feed) prepared(sql string) (*sqlite3.Stmt, error) {
	if s := d.statement[sql]; s != nil {
		return s, nil
	}
	s, _, err := d.conn.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err == nil {
		d.statement[sql] = s
	}
	return s, err
}

func (d *feed) exec(sql string, values ...any) error {
	return d.query(sql, values, func(*sqlite3.Stmt) error { return nil })
}

// query runs a statement and hands in each of its rows.
func (d *feed) query(sql string, values []any, row func(*sqlite3.Stmt) error) error {
	s, err := d.prepared(sql)
	if err != nil {
		return err
	}
	if err := sqlitefile.Bind(s, values...); err != nil {
		return err
	}
	for s.Step() {
		if err := row(s); err != nil {
			return errors.Join(err, s.Reset())
		}
	}
	return s.Reset() // with the error of the last step
}

// follow reads both streams and feeds the file until ctx ends, the file is damaged, or
// reading fails.
func (m *Model) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	items := make(chan item, batchMessages)
	failed := make(chan error, 2)
	put := func(i item) error {
		select {
		case items <- i:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.feeding.Lock()
	event, transition := m.feed.event, m.feed.transition
	m.feeding.Unlock()
	done := make(chan struct{}, 2)
	go func() {
		failed <- m.cfg.Store.Follow(ctx, event+1, func(msg stream.Message) error {
			begun := time.Now()
			i := readEvent(msg, m.cfg.Recent)
			m.reading.Add(int64(time.Since(begun)))
			return put(i)
		}, func(seq uint64) {
			_ = put(item{message: &stream.Message{Seq: seq, Tick: true}})
		})
		done <- struct{}{}
	}()
	go func() {
		failed <- m.cfg.Store.FollowTransitions(ctx, transition+1, func(t stream.Transition) error { return put(readTransition(t)) }, func(seq uint64) {
			_ = put(item{transition: &stream.Transition{Seq: seq}})
		})
		done <- struct{}{}
	}()
	err := m.batches(ctx, items, failed)
	stop()
	<-done
	<-done
	return err
}

func readEvent(msg stream.Message, recent *eventlog.Recent) item {
	i := item{message: &msg}
	if msg.Tick || msg.Action || msg.Kind() == eventlog.NoEvent {
		return i
	}
	e := &call.Event{}
	if made := recent.Event(&msg); made != nil {
		*e = *made
		e.Raw = nil
		i.event = e
	} else if eventlog.Decode(msg.Data, false, e) == nil && e.Provider != "" && e.CallID != "" {
		i.event = e
	}
	msg.Data = nil
	return i
}

func readTransition(t stream.Transition) item {
	i := item{transition: &t}
	parsed := &rules.Transition{}
	if eventlog.Unmarshal(t.Data, parsed) == nil && parsed.Incident.ID != "" {
		i.parsed = parsed
	}
	t.Data = nil
	return i
}

// batches collects messages and commits them.
func (m *Model) batches(ctx context.Context, items <-chan item, failed <-chan error) error {
	var batch []item
	late := time.NewTimer(batchWait) // of the first message of the batch
	retain := time.NewTicker(retainEvery)
	defer retain.Stop()
	if err := errors.Join(m.retain(ctx), m.commit(ctx, nil)); err != nil {
		return err
	}
	most := batchMessages
	if m.building() {
		most = buildMessages
	}
	for {
		select {
		case i := <-items:
			if batch = append(batch, i); len(batch) == 1 {
				late.Reset(batchWait)
			}
			if len(batch) < most {
				continue
			}
		case <-late.C:
			if len(batch) == 0 && !m.building() {
				continue
			}
			late.Reset(batchWait) // a build may end without a further message
		case <-retain.C:
			if err := m.retain(ctx); err != nil {
				return err
			}
			continue
		case err := <-m.damage:
			return err
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		begun := time.Now()
		if err := m.commit(ctx, batch); err != nil {
			return err
		}
		batch = batch[:0]
		if !m.building() {
			most = batchMessages
		}
		if m.cfg.Pause != nil {
			share := 1
			if m.building() {
				share = buildShare
			}
			m.cfg.Pause(ctx, time.Since(begun)+time.Duration(m.reading.Swap(0)), share)
		}
	}
}

// commit stores a batch: one transaction.
func (m *Model) commit(ctx context.Context, batch []item) error {
	m.feeding.Lock()
	defer m.feeding.Unlock()
	d := m.feed
	if err := d.transact(ctx, func() error { return d.take(ctx, batch) }); err != nil {
		return err
	}
	if d.build != nil && d.built(len(batch) > 0, time.Now()) {
		if err := d.finish(ctx); err != nil {
			return err
		}
	}
	ends, err := m.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	m.committed(d.event, d.transition, ends.Last-min(ends.Last, d.event), d.build != nil, time.Now().UTC())
	return nil
}

func (m *Model) building() bool {
	m.feeding.Lock()
	defer m.feeding.Unlock()
	return m.feed.build != nil
}

// transact runs fn in a transaction which also has the watermarks. If it fails, the
// calls in memory are forgotten: they are no longer what the file has.
func (d *feed) transact(ctx context.Context, fn func() error) (err error) {
	d.conn.SetInterrupt(ctx)
	defer d.conn.SetInterrupt(context.Background())
	if d.build != nil && d.build.broken {
		return errUnfinished
	}
	if err := d.conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			d.event, d.transition = d.nextEvent, d.nextTransition
			if d.build != nil {
				return // calls and figures stay in memory
			}
			for _, e := range d.dirty {
				e.dirty, e.changed, e.renamed = false, false, false
			}
			d.dirty = d.dirty[:0]
			clear(d.hours)
			d.calls.trim()
			return
		}
		d.nextEvent, d.nextTransition = d.event, d.transition
		d.calls, d.dirty = newCache(d.model.cached), nil
		clear(d.hours)
		if d.build != nil {
			d.build.broken = true
		}
		d.conn.SetInterrupt(context.Background())
		if !d.conn.GetAutocommit() {
			err = errors.Join(err, d.conn.Exec("ROLLBACK"))
		}
	}()
	if err := fn(); err != nil {
		return err
	}
	flush := d.flush
	if d.build != nil {
		flush = d.evict
	}
	if err := flush(ctx); err != nil {
		return err
	}
	return d.conn.Exec("COMMIT")
}

// take folds a batch into the calls in memory.
func (d *feed) take(ctx context.Context, batch []item) error {
	for _, i := range batch {
		if i.message != nil {
			if i.message.Seq <= d.nextEvent {
				continue
			}
			if err := d.takeEvent(ctx, &i); err != nil {
				return err
			}
			d.nextEvent = i.message.Seq
			continue
		}
		if i.transition.Seq <= d.nextTransition {
			continue
		}
		if i.parsed != nil {
			if err := d.takeTransition(ctx, i.transition, i.parsed); err != nil {
				return err
			}
		}
		d.nextTransition = i.transition.Seq
	}
	return nil
}

func (d *feed) takeEvent(ctx context.Context, i *item) error {
	m := i.message
	if of, ok := m.Replaces(); ok && m.Past() {
		if err := d.correct(ctx, of, m); err != nil {
			return err
		}
	}
	// An event that is not in force now will never be: corrections are not taken back.
	if i.event == nil || m.Seq <= d.erased[i.event.Key()] || !d.counts(m) {
		return nil
	}
	e, err := d.fed(ctx, i.event.Key(), m.Seq)
	if err != nil || e == nil || len(e.seqs) >= mostOfCall {
		return err
	}
	e.seqs, e.changed = append(e.seqs, m.Seq), true
	d.touch(e)
	if at := m.CountsAt(); e.absent || at.Before(e.last) {
		e.absent = true
	} else {
		d.foldIn(e, i.event, at)
	}
	return nil
}

// fed is the call to fold the event at seq into; nil if that is done at the end of a build.
func (d *feed) fed(ctx context.Context, k call.Key, seq uint64) (*entry, error) {
	if d.build != nil {
		return d.loadBuilding(k, seq)
	}
	return d.load(ctx, k)
}

func (d *feed) foldIn(e *entry, event *call.Event, at time.Time) {
	before := len(e.fold.Intervals)
	e.fold.FoldWith(event, d.model.cfg.Fold)
	d.calls.intervals += len(e.fold.Intervals) - before
	if e.first.IsZero() {
		e.first = at
	}
	e.last = at
}

// counts reports whether a stored event is in force.
func (d *feed) counts(m *stream.Message) bool {
	raw, _, ok := m.Raw()
	of, _ := m.Replaces()
	return m.Kind() != eventlog.NoEvent && (!ok || d.corrected.InForce(raw, of))
}

func (d *feed) touch(e *entry) {
	if e.dirty {
		return
	}
	if e.dirty = true; d.build == nil {
		d.dirty = append(d.dirty, e)
	}
}

// load is a call as it is in memory or in the file, or a new one.
func (d *feed) load(ctx context.Context, k call.Key) (*entry, error) {
	if e := d.calls.get(k); e != nil {
		return e, nil
	}
	e := &entry{key: k}
	err := d.query("SELECT "+schema.Selected()+" FROM calls c WHERE "+schema.SameCall, schema.KeyArgs(k), func(s *sqlite3.Stmt) error {
		seq, row, events := schema.ReadCall(s)
		e.stored, e.row, e.seqs, e.absent = seq, row, schema.Sequences(events), true
		e.remember()
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.calls.put(e)
	return e, nil
}

// remember notes what the other tables have of the call.
func (e *entry) remember() {
	e.aliases = e.row.Call.Aliases
}

// foldStored folds the stored events of a call in the order in which they count.
func (d *feed) foldStored(ctx context.Context, e *entry) error {
	type stored struct {
		at    time.Time
		event *call.Event
	}
	var events []stored
	kept := e.seqs[:0]
	for _, seq := range e.seqs {
		m, err := d.model.cfg.Store.EventAt(ctx, seq)
		if errors.Is(err, stream.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		i := readEvent(m, nil)
		if i.event == nil || i.event.Key() != e.key {
			continue
		}
		if d.counts(&m) {
			kept = append(kept, seq)
			events = append(events, stored{m.CountsAt(), i.event})
		}
	}
	slices.SortStableFunc(events, func(a, b stored) int { return a.at.Compare(b.at) })
	d.calls.intervals -= len(e.fold.Intervals)
	e.fold, e.seqs, e.absent, e.first, e.last = call.Call{}, kept, false, time.Time{}, time.Time{}
	for _, s := range events {
		d.foldIn(e, s.event, s.at)
	}
	return nil
}

// flush writes the calls that changed, the figures of their hours, and the watermarks.
func (d *feed) flush(ctx context.Context) error {
	for _, e := range d.dirty {
		if err := d.save(ctx, e); err != nil {
			return err
		}
	}
	if err := d.writeHours(); err != nil {
		return err
	}
	for name, v := range map[string]uint64{"event": d.nextEvent, "transition": d.nextTransition} {
		if err := d.exec("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, strconv.FormatUint(v, 10)); err != nil {
			return err
		}
	}
	return d.writeMark(ctx)
}

// save writes a call, if it is not in the file as it is.
func (d *feed) save(ctx context.Context, e *entry) error {
	if !e.dirty {
		return nil
	}
	if e.changed && e.absent {
		if err := d.foldStored(ctx, e); err != nil {
			return err
		}
	}
	return d.write(e)
}

func (d *feed) writeMark(ctx context.Context) error {
	if d.nextEvent == d.marked {
		return nil
	}
	m, err := d.model.cfg.Store.EventAt(ctx, d.nextEvent)
	if errors.Is(err, stream.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(mark{d.nextEvent, m.Time})
	if err != nil {
		return err
	}
	d.marked = d.nextEvent
	return d.exec("INSERT OR REPLACE INTO meta VALUES ('mark', ?)", string(text))
}

// write stores the row of a call, or removes it if nothing is left of it.
func (d *feed) write(e *entry) error {
	if e.stored != 0 {
		d.count(&e.row, -1)
	}
	old := *e
	if e.changed && len(e.seqs) == 0 {
		d.calls.drop(e.key)
		if e.stored == 0 {
			return nil
		}
		return d.forget(&old)
	}
	if e.changed {
		e.row.Call = e.fold.Event
		e.row.Call.Intervals, e.row.Call.Turns, e.row.Call.Counters, e.row.Call.Raw = nil, nil, nil, nil
		e.row.At, e.row.Events = beganAt(&e.fold.Event, e.first), len(e.seqs)
	}
	if d.build == nil && (e.renamed || e.stored == 0 || e.changed && e.stored != e.seqs[0]) {
		if err := d.nameIncidents(e); err != nil {
			return err
		}
	}
	if !e.changed {
		d.count(&e.row, 1)
		return d.rows.SetIncidents(&e.row, e.stored)
	}
	if old.stored != 0 && old.stored != e.seqs[0] {
		if err := d.forget(&old); err != nil {
			return err
		}
		old = entry{}
	}
	e.stored = e.seqs[0]
	e.remember()
	d.count(&e.row, 1)
	write := d.rows.Update
	if old.stored == 0 {
		write = d.rows.Insert
	}
	return cmp.Or(write(&e.row, e.seqs, e.first), d.writeAliases(e.stored, old.aliases, e.aliases))
}

// forget removes what the tables have of a call, less the figures of its hours.
func (d *feed) forget(e *entry) error {
	return cmp.Or(d.exec("DELETE FROM calls WHERE seq = ?", e.stored), d.writeAliases(e.stored, e.aliases, nil))
}

// writeAliases keeps the further ids by which a call is found.
func (d *feed) writeAliases(of uint64, had, has []string) (err error) {
	for _, a := range had {
		if !slices.Contains(has, a) {
			err = cmp.Or(err, d.exec("DELETE FROM aliases WHERE alias = ? AND call = ?", a, of))
		}
	}
	for i, a := range has {
		if !slices.Contains(had, a) && !slices.Contains(has[:i], a) {
			err = cmp.Or(err, d.exec("INSERT INTO aliases VALUES (?, ?)", a, of))
		}
	}
	return err
}

// count adds a call to the figures of its hour n times.
func (d *feed) count(row *backend.CallRow, n int64) {
	hour, one := figures.HourOf(row.At), figures.ShareOf(row)
	for dim, value := range figures.Values(row) {
		k := hourKey{dim, hour, row.Call.Provider, value}
		c := d.hours[k]
		if c == nil {
			c = &figures.Cell{}
			d.hours[k] = c
		}
		c.Add(&one, n)
	}
}

func (d *feed) writeHours() error {
	for k, change := range d.hours {
		if change.Zero() {
			continue
		}
		err := d.query("SELECT cell FROM hours WHERE dim = ? AND hour = ? AND provider = ? AND value = ?", []any{k.dim, k.hour, k.provider, k.value},
			func(s *sqlite3.Stmt) error { return change.MergePacked(s.ColumnRawBlob(0), false) })
		switch {
		case err != nil:
		case change.Empty():
			err = d.exec("DELETE FROM hours WHERE dim = ? AND hour = ? AND provider = ? AND value = ?", k.dim, k.hour, k.provider, k.value)
		default:
			err = d.exec("INSERT OR REPLACE INTO hours VALUES (?, ?, ?, ?, ?)", k.dim, k.hour, k.provider, k.value, change.Pack())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// correct notes that the events of a record are replaced by those of a message's
// record, and folds the calls again that had them.
func (d *feed) correct(ctx context.Context, of stream.Position, m *stream.Message) error {
	raw, _, ok := m.Raw()
	if !ok || d.corrected[of] == raw {
		return nil
	}
	before, again := d.corrected[of]
	d.corrected[of] = raw
	if err := d.exec("INSERT OR REPLACE INTO corrections VALUES (?, ?, ?)", of.String(), raw.String(), m.Seq); err != nil {
		return err
	}
	records := []stream.Position{of}
	if again {
		records = append(records, before)
	}
	for _, record := range records {
		err := d.model.cfg.Store.EventsOfRecord(ctx, record, func(m stream.Message) error {
			i := readEvent(m, nil)
			if i.event == nil || m.Seq > d.nextEvent {
				return nil
			}
			e, err := d.fed(ctx, i.event.Key(), m.Seq)
			if err != nil || e == nil {
				return err
			}
			e.absent, e.changed = true, true
			d.touch(e)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// retain drops what the streams no longer keep.
func (m *Model) retain(ctx context.Context) error {
	ends, err := m.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		m.feeding.Lock()
		d := m.feed
		if d == nil || d.build != nil || ends.First <= d.firstEvent && ends.FirstTransition <= d.firstTransition {
			m.feeding.Unlock()
			return nil
		}
		err = d.transact(ctx, func() (err error) {
			more, err = d.drop(ctx, ends)
			return err
		})
		if err == nil && !more {
			d.firstEvent, d.firstTransition = ends.First, ends.FirstTransition
		}
		m.feeding.Unlock()
	}
	return err
}

// drop removes the calls of which no event is stored any more, and folds those again
// that lost their first events: some of them, if more.
func (d *feed) drop(ctx context.Context, ends stream.Ends) (more bool, err error) {
	var keys []call.Key
	err = d.query(`SELECT "callId", provider, account FROM calls WHERE seq < ? ORDER BY seq LIMIT ?`, []any{ends.First, retainAtOnce}, func(s *sqlite3.Stmt) error {
		keys = append(keys, schema.ReadKey(s, 0))
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		e, err := d.load(ctx, k)
		if err != nil {
			return false, err
		}
		e.seqs = slices.DeleteFunc(e.seqs, func(seq uint64) bool { return seq < ends.First })
		e.absent, e.changed = true, true
		d.touch(e)
	}
	if len(keys) == retainAtOnce {
		return true, nil
	}
	return false, d.dropTransitions(ctx, ends.FirstTransition)
}

// oldest is how long before callwatch heard of a call it may have begun: a start
// before that is a wrong clock.
const oldest = 31 * 24 * time.Hour

// beganAt is when a call began: its start, unless that is not known or cannot be.
func beganAt(e *call.Event, first time.Time) time.Time {
	for _, t := range []time.Time{e.StartedAt, e.RingingAt, e.AnsweredAt} {
		if !t.IsZero() && !t.After(first) && first.Sub(t) <= oldest {
			return t.UTC()
		}
	}
	return first.UTC()
}
