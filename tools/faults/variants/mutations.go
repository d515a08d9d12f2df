package variants

import "slices"

// Mutation names a mechanism of the product that is left out, to show that the
// scorecard notices.
type Mutation string

// None leaves the product as it is.
const None Mutation = "none"

// Mutant is one mutation: what it changes, and the rows that must turn red.
type Mutant struct {
	Name  Mutation
	Rows  []string
	What  string // what the changed product does
	edits []edit
}

// panicking makes the rule named panics do so when it is evaluated.
const panicking = `if r.Name == "panics" { panic("on purpose") }`

// Mutants are all mutations. A build has all of them; callwatch runs with those
// that its environment names.
func Mutants() []Mutant {
	return []Mutant{
		{"cas", []string{"kill9", "replay", "cluster"}, "transitions are stored without comparing", []edit{
			{"PutTransition", all(never(asks("after")), withoutArgument("WithExpectLastSequencePerSubject"))},
		}},
		{"reconcile", []string{"kill9", "slack"}, "after an unclear answer Slack is not searched", []edit{
			{"Notifier.look", withResult("Find", 1, "false")},
		}},
		{"twice", []string{"kill9"}, "every message is posted twice", []edit{
			{"slack.Client.Post", before("PostMessageContext", "_, _, _ = CALL")},
		}},
		{"nameless", []string{"kill9"}, "every incident gets a second thread, whose messages carry no metadata", []edit{
			{"slack.Client.Post", before("PostMessageContext", `if thread == "" { _, _, _ = c.api.PostMessageContext(ctx, channel, shown.options()...) }`)},
		}},
		{"chatty", []string{"sigstop"}, "replies are posted twice, the second time under another name", []edit{
			{"slack.Client.Post", before("PostMessageContext", `if thread != "" { second := t; second.Name += "/more"; _, _, _ = c.api.PostMessageContext(ctx, channel, append(shown.options(), slack.MsgOptionTS(thread), metadata(second))...) }`)},
		}},
		{"fsync", []string{"powercut"}, "writes are acknowledged from the page cache", []edit{
			{"embedded.Start", unset("SyncAlways")},
		}},
		{"ahead", []string{"rolling", "clock", "upgrade"}, "judging goes on 2000 events after the place where it stopped", []edit{
			{"Events.Follow", atStart("left, judged := 2000, fn; fn = func(m Message) error { if from > 1 && left > 0 { left--; return nil }; return judged(m) }")},
		}},
		{"status", []string{"diskfull"}, "a webhook that could not be stored is answered 400", []edit{
			{"Outcome.problem", inPlaceOf("http.StatusServiceUnavailable", "http.StatusBadRequest")},
		}},
		{"sync-error", []string{"ioerror"}, "write errors of the embedded server are ignored", []edit{
			{"writeFailed", atStart("if true { return }")},
		}},
		{"check", []string{"bitflip"}, "block files are opened unchecked", []edit{
			{"Checker.block", atStart("if true { return false, nil }")},
		}},
		{"forgotten", []string{"bitflip"}, "transitions that damage took are not stored again", []edit{
			{"Judge.putBack", atStart("if true { return nil }")},
		}},
		{"again", []string{"tenfold"}, "a repeated webhook is judged again, and its call counts again", []edit{
			{"Call.FoldWith", all(never(asks("Contains")), atStart("defer func() { changed = true }()"))},
			{"judgeAll", inPlaceOf("cs.Outcomes[i] == calls.Matched", "false")},
			{"settle", never(compares("from", "to"))},
		}},
		{"dead-letters", []string{"poison"}, "no dead letter is stored", []edit{
			{"PutDeadLetter", atStart("if true { return nil }")},
		}},
		{"recover", []string{"poison"}, "a panic in a rule is not recovered", []edit{
			{"Engine.evaluate", all(withoutDefer(), before("eval", panicking))},
		}},
		{"uncounted", []string{"readmodel"}, "a call that changes stays in the figures as it was", []edit{
			{"feed.count", atStart("if n < 0 { return }")},
		}},
		{"panics", nil, "the rule named panics does so", []edit{
			{"Engine.evaluate", before("eval", panicking)},
		}},
		{"storm", []string{"storm"}, "there are no storms", []edit{
			{"arrivals.add", atStart("if true { return false }")},
		}},
		{"skip", []string{"backlog"}, "of many events half are not published", []edit{
			{"Events.PublishEvents", atStart("if len(events) > 5 { events = events[len(events)/2:] }")},
		}},
		{"refuse", []string{"reload"}, "a rules file with errors is taken", []edit{
			{"Problems.Errors", atStart("if true { return false }")},
		}},
		{"limit", []string{"hostile"}, "bodies have no limit, nor has what is in flight", []edit{
			{"Grant.ReadAll", atStart("limit = 1 << 40")},
			{"Budget.takeLocked", atStart("if true { return true }")},
		}},
		{"unbounded", []string{"strangers"}, "what is in flight has no limit, and nobody is cut off", []edit{
			{"Budget.takeLocked", atStart("if true { b.hold(n, c); return true }")},
		}},
		{"signature", []string{"forge"}, "signatures are not checked", []edit{
			{"normalizer.Verify", atStart("if true { return Trust(p, r), nil }")},
		}},
		{"foreign", []string{"foreign"}, "messages of other programs are taken for callwatch's own", []edit{
			{"jet.Conn.Check", atStart("if true { return nil }")},
		}},
		{"early", []string{"cold"}, "webhooks taken while the store opens are not kept", []edit{
			{"Store.appendEarly", atStart("if true { return f.Base() + 1, nil }")},
		}},
		{"slow-open", nil, "opening the store takes two seconds longer", []edit{
			{"Store.prepare", atStart("time.Sleep(2 * time.Second)")},
		}},
		{"unchecked", []string{"cold"}, "older blocks are not checked behind the start", []edit{
			{"Checker.Older", atStart("if true { return nil, nil }")},
		}},
		{"prune", []string{"retention"}, "nothing is removed when the store is full", []edit{
			{"Pruner.removePart", atStart("if true { return nil }")},
		}},
		{"tombstone", []string{"erase"}, "tombstones of erased calls count for nothing", []edit{
			{"tombstone.Set.Any", atStart("if true { return false }")},
			{"tombstone.Set.Has", atStart("if true { return false }")},
		}},
		{"scrub", []string{"erase"}, "what was removed is not overwritten on the disk", []edit{
			{"Store.Scrub", atStart("if true { return nil }")},
		}},
		{"evidence", []string{"erase"}, "what incidents show of an erased call stays", []edit{
			{"Transitions.RewriteTransitions", atStart("if true { return 0, nil }")},
		}},
		{"degraded", []string{"away"}, "a receiver that takes nothing is not called degraded", []edit{
			{"lane.degraded", atStart("if true { return false, time.Time{} }")},
		}},
		{"stale", []string{"away"}, "the first message of a thread is never edited", []edit{
			{"slack.Client.Edit", atStart("if true { return nil }")},
		}},
	}
}

// Named is the mutant of a name; false for none.
func Named(name Mutation) (Mutant, bool) {
	all := Mutants()
	i := slices.IndexFunc(all, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return Mutant{}, name == None
	}
	return all[i], true
}

// Of are the mutations that must turn a row red.
func Of(row string) []Mutation {
	var names []Mutation
	for _, m := range Mutants() {
		if slices.Contains(m.Rows, row) {
			names = append(names, m.Name)
		}
	}
	return names
}
