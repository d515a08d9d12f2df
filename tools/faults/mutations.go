package main

import "slices"

// mutation names a mechanism of the product that is left out, to show that the
// scorecard notices.
type mutation string

// none leaves the product as it is.
const none mutation = "none"

// mutant is one mutation: what it changes, and the rows that must turn red.
type mutant struct {
	name  mutation
	rows  []string
	what  string // what the changed product does
	edits []edit
}

// panicking makes the rule named panics do so when it is evaluated.
const panicking = `if r.Name == "panics" { panic("on purpose") }`

// mutants are all mutations. A build has all of them; callwatch runs with those
// that its environment names.
func mutants() []mutant {
	return []mutant{
		{"cas", []string{"kill9", "replay", "cluster"}, "transitions are stored without comparing", []edit{
			{"PutTransition", all(never(asks("after")), withoutArgument("WithExpectLastSequencePerSubject"))},
		}},
		{"reconcile", []string{"kill9", "slack"}, "after an unclear answer Slack is not searched", []edit{
			{"Notifier.look", withResult("Find", 1, "false")},
		}},
		{"twice", []string{"kill9"}, "every message is posted twice", []edit{
			{"slack.Client.post", before("PostMessageContext", "_, _, _ = CALL")},
		}},
		{"nameless", []string{"kill9"}, "every incident gets a second thread, whose messages carry no metadata", []edit{
			{"slack.Client.post", before("PostMessageContext", `if thread == "" { _, _, _ = c.api.PostMessageContext(ctx, channel, m.options()...) }`)},
		}},
		{"chatty", []string{"sigstop"}, "replies are posted twice, the second time under another name", []edit{
			{"slack.Client.post", before("PostMessageContext", `if thread != "" { second := t; second.Name += "/more"; _, _, _ = c.api.PostMessageContext(ctx, channel, append(m.options(), slack.MsgOptionTS(thread), metadata(second))...) }`)},
		}},
		{"fsync", []string{"powercut"}, "writes are acknowledged from the page cache", []edit{
			{"startNode", unset("SyncAlways")},
		}},
		{"ahead", []string{"rolling", "clock"}, "judging goes on 300 events after the place where it stopped", []edit{
			{"Store.Follow", atStart("from += 300")},
		}},
		{"status", []string{"diskfull"}, "a webhook that could not be stored is answered 400", []edit{
			{"Outcome.problem", inPlaceOf("http.StatusServiceUnavailable", "http.StatusBadRequest")},
		}},
		{"sync-error", []string{"ioerror"}, "write errors of the embedded server are ignored", []edit{
			{"writeFailed", atStart("if true { return }")},
		}},
		{"check", []string{"bitflip"}, "block files are opened unchecked", []edit{
			{"checker.block", atStart("if true { return false, nil }")},
		}},
		{"again", []string{"tenfold"}, "a repeated webhook is judged again, and its call counts again", []edit{
			{"Call.FoldWith", all(never(asks("Contains")), atStart("defer func() { changed = true }()"))},
			{"judgeAll", inPlaceOf("cs.Outcomes[i] == OutcomeMatched", "false")},
			{"settle", never(compares("from", "to"))},
		}},
		{"dead-letters", []string{"poison"}, "no dead letter is stored", []edit{
			{"PutDeadLetter", atStart("if true { return nil }")},
		}},
		{"recover", []string{"poison"}, "a panic in a rule is not recovered", []edit{
			{"Engine.evaluate", all(withoutDefer(), before("eval", panicking))},
		}},
		{"panics", nil, "the rule named panics does so", []edit{
			{"Engine.evaluate", before("eval", panicking)},
		}},
		{"storm", []string{"storm"}, "there are no storms", []edit{
			{"arrivals.add", atStart("if true { return false }")},
		}},
		{"skip", []string{"backlog"}, "of many events half are not published", []edit{
			{"Store.PublishEvents", atStart("if len(events) > 5 { events = events[len(events)/2:] }")},
		}},
		{"refuse", []string{"reload"}, "a rules file with errors is taken", []edit{
			{"Problems.Errors", atStart("if true { return false }")},
		}},
		{"limit", []string{"hostile"}, "bodies have no limit, nor has what is in flight", []edit{
			{"Grant.ReadAll", atStart("limit = 1 << 40")},
			{"Budget.takeLocked", atStart("if true { return true }")},
		}},
		{"unbounded", []string{"strangers"}, "what is in flight has no limit, and nobody is cut off", []edit{
			{"Budget.makeRoom", atStart("if true { return true }")},
		}},
		{"signature", []string{"forge"}, "signatures are not checked", []edit{
			{"normalizer.Verify", atStart("if true { return Trust(p, r), nil }")},
		}},
		{"foreign", []string{"foreign"}, "messages of other programs are taken for callwatch's own", []edit{
			{"Store.foreign", atStart("if true { return nil }")},
		}},
		{"unchecked", []string{"cold"}, "older blocks are not checked behind the start", []edit{
			{"checker.older", atStart("if true { return nil, nil }")},
		}},
		{"prune", []string{"retention"}, "nothing is removed when the store is full", []edit{
			{"Store.makeRoom", atStart("if true { return nil }")},
		}},
		{"tombstone", []string{"erase"}, "tombstones of erased calls count for nothing", []edit{
			{"Tombstones.Any", atStart("if true { return false }")},
			{"Tombstones.Has", atStart("if true { return false }")},
		}},
		{"scrub", []string{"erase"}, "what was removed is not overwritten on the disk", []edit{
			{"Store.Scrub", atStart("if true { return nil }")},
		}},
		{"evidence", []string{"erase"}, "what incidents show of an erased call stays", []edit{
			{"Store.RewriteTransitions", atStart("if true { return 0, nil }")},
		}},
		{"degraded", []string{"away"}, "a receiver that takes nothing is not called degraded", []edit{
			{"lane.degraded", atStart("if true { return false, time.Time{} }")},
		}},
		{"stale", []string{"away"}, "the first message of a thread is never edited", []edit{
			{"slack.Client.Edit", atStart("if true { return nil }")},
		}},
	}
}

// mutantNamed is the mutant of a name; false for none.
func mutantNamed(name mutation) (mutant, bool) {
	all := mutants()
	i := slices.IndexFunc(all, func(m mutant) bool { return m.name == name })
	if i < 0 {
		return mutant{}, name == none
	}
	return all[i], true
}

// mutationsOf are the mutations that must turn a row red.
func mutationsOf(r row) []mutation {
	var names []mutation
	for _, m := range mutants() {
		if slices.Contains(m.rows, r.name) {
			names = append(names, m.name)
		}
	}
	return names
}
