package readmodel

import (
	"cmp"
	"context"

	"github.com/ncruces/go-sqlite3"

	"callwatch/call"
	"callwatch/pipeline/readmodel/schema"
	"callwatch/rules"
	"callwatch/stream"
)

// takeTransition stores a step of an incident and which calls it names.
func (d *feed) takeTransition(ctx context.Context, t *stream.Transition, parsed *rules.Transition) error {
	in := &parsed.Incident
	at, _ := schema.Nanoseconds(parsed.At)
	opened, _ := schema.Nanoseconds(in.OpenedAt)
	resolved := any(nil)
	if n, ok := schema.Nanoseconds(in.ResolvedAt); ok {
		resolved = n
	}
	err := d.exec("INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		t.Seq, in.ID, in.Rule, in.Key(), string(parsed.Step), in.Severity.Rank(), at, opened, resolved)
	if err != nil {
		return err
	}
	worst := map[call.Key]int{}
	for _, e := range append([]rules.Evidence{in.Opening, in.Latest, in.Worst}, in.Samples...) {
		k := e.Call.Key()
		if k.Provider == "" || k.CallID == "" {
			continue
		}
		worst[k] = max(worst[k], cmp.Or(e.Severity, in.Severity).Rank())
	}
	for k, severity := range worst {
		err := d.exec("INSERT OR REPLACE INTO named VALUES (?, ?, ?, ?, ?, ?)", append(schema.KeyArgs(k), in.ID, severity, t.Seq)...)
		if err == nil && d.build == nil {
			err = d.rename(ctx, k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rename notes that the incidents of a call changed.
func (d *feed) rename(ctx context.Context, k call.Key) error {
	e, err := d.load(ctx, k)
	if err != nil {
		return err
	}
	if e.stored == 0 && len(e.seqs) == 0 {
		d.calls.drop(k) // its events come later
		return nil
	}
	e.renamed = true
	d.touch(e)
	return nil
}

// nameIncidents gives a call the incidents that name it.
func (d *feed) nameIncidents(e *entry) error {
	worst := 0
	e.row.Incidents = nil
	err := d.query("SELECT incident, severity FROM named WHERE "+schema.SameCall+" ORDER BY incident", schema.KeyArgs(e.key),
		func(s *sqlite3.Stmt) error {
			e.row.Incidents = append(e.row.Incidents, s.ColumnText(0))
			worst = max(worst, s.ColumnInt(1))
			return nil
		})
	e.row.Severity = schema.SeverityOf(worst)
	return err
}

// dropTransitions removes the steps before a sequence and what they named.
func (d *feed) dropTransitions(ctx context.Context, first uint64) error {
	var keys []call.Key
	err := d.query(`SELECT "callId", provider, account FROM named WHERE seq < ?`, []any{first}, func(s *sqlite3.Stmt) error {
		keys = append(keys, schema.ReadKey(s, 0))
		return nil
	})
	if err != nil || first <= d.firstTransition {
		return err
	}
	err = cmp.Or(d.exec("DELETE FROM named WHERE seq < ?", first), d.exec("DELETE FROM steps WHERE seq < ?", first))
	for _, k := range keys {
		if err == nil {
			err = d.rename(ctx, k)
		}
	}
	return err
}
