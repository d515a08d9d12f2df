package notifier

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

const (
	maxShared   = 200 // values counted per field
	sharedLeast = 0.8 // of the incidents have it: they share it
	topRules    = 10
)

// storm is many new incidents in one channel, told by one message. All but id
// and channel is guarded by the notifier's lock.
type storm struct {
	id, channel string
	thread      *thread
	first       uint64    // stream sequence of the first member
	since       time.Time // when it began, in stream time
	calm        time.Time // when the latest new incident came
	ended       time.Time
	over        bool

	members []member      // by place
	lines   []Line        // of the list
	parts   map[int]part  // lines of an earlier process, by where they begin
	listAt  time.Time     // when members that are not listed are; zero for none
	listIn  time.Duration // the wait after that one
	total   int
	open    int
	worst   rules.Severity
	rules   map[string]int
	shared  map[string]map[string]int // incidents by field and value
	cause   rules.Cause               // of the latest member's transition
	only    *thread                   // of the only member, announced by itself if no second one joins
}

// single reports whether the storm has one member and was not announced.
func (st *storm) single() bool {
	return st.total < 2 && st.thread.page.Sent[rootName].State == unsent
}

// hold keeps what the only member wants, until a second one joins.
func (st *storm) hold(p page, seq uint64, w *Want) {
	if !st.single() {
		st.only = nil
		return
	}
	if st.only == nil {
		st.only = &thread{page: p, seq: seq}
	}
	st.only.want.merge(*w)
}

// member is an incident of a storm.
type member struct {
	id, rule string
	text     string // its line in the list
	open     bool
}

func newStorm(id, channel string, first uint64, since, now time.Time) *storm {
	return &storm{
		id: id, channel: channel, first: first, since: since, calm: now,
		rules: map[string]int{}, shared: map[string]map[string]int{},
	}
}

// put takes the transition of the member at a place in.
func (st *storm) put(place int, t *rules.Transition, entry func(*rules.Incident) string) {
	in := &t.Incident
	for len(st.members) <= place {
		st.members = append(st.members, member{})
	}
	m := &st.members[place]
	if m.id == "" {
		*m = member{id: in.ID, rule: in.Rule, text: entry(in), open: true}
		st.total++
		st.open++
		st.rules[in.Rule]++
		st.share(in)
	}
	if open := in.State == rules.Firing; open != m.open && (m.open || t.Cause.After(st.cause)) {
		st.open += map[bool]int{true: 1, false: -1}[open]
		m.open = open
	}
	if in.Severity.Worse(st.worst) {
		st.worst = in.Severity
	}
	if in.OpenedAt.Before(st.since) {
		st.since = in.OpenedAt
	}
	if t.Cause.After(st.cause) {
		st.cause = t.Cause
	}
	st.list(whole)
}

// share counts what the storm's incidents have in common.
func (st *storm) share(in *rules.Incident) {
	for _, name := range sharedFields() {
		f, ok := call.Lookup(name)
		if !ok {
			continue
		}
		v, ok := f.Text(&in.Opening.Call)
		if !ok || v == "" {
			continue
		}
		counts := st.shared[name]
		if counts == nil {
			counts = map[string]int{}
			st.shared[name] = counts
		}
		if _, known := counts[v]; known || len(counts) < maxShared {
			counts[v]++
		}
	}
}

func sharedFields() []string {
	return []string{
		"provider", "connectionId", "agentId", "campaignId", "region", "codec", "fromCountry", "toCountry",
		"direction", "hangupCause",
	}
}

// StormView is a storm as its messages show it.
type StormView struct {
	Total, Open int
	Since       time.Time
	CalmSince   time.Time   // of a storm that is over
	Rules       []RuleCount // most first
	MoreRules   int
	Shared      []SharedValue
	Listed      int
}

type RuleCount struct {
	Rule string
	N    int
}

type SharedValue struct {
	Field, Value string
	N            int
}

// want is what the storm's thread shall show now.
func (st *storm) want() Want {
	if st.single() {
		return Want{} // nothing is posted yet
	}
	v := &StormView{Total: st.total, Open: st.open, Since: st.since, CalmSince: st.ended.Add(-calm), Shared: st.common()}
	for _, rule := range slices.Sorted(maps.Keys(st.rules)) {
		v.Rules = append(v.Rules, RuleCount{rule, st.rules[rule]})
	}
	slices.SortStableFunc(v.Rules, func(a, b RuleCount) int { return cmp.Compare(b.N, a.N) })
	v.MoreRules = max(0, len(v.Rules)-topRules)
	v.Rules = v.Rules[:len(v.Rules)-v.MoreRules]
	w := Want{
		Incident: rules.Incident{ID: st.id, Rule: "storm", State: rules.Firing, Severity: st.worst, OpenedAt: st.since, UpdatedAt: st.calm},
		Cause:    st.cause, storm: v,
	}
	if st.over {
		st.list(last)
		w.Incident.State, w.Incident.ResolvedAt = rules.Resolved, st.ended
		w.Cause.Index = math.MaxInt
	}
	v.Listed = min(len(st.members), maxListed)
	w.Lines = slices.Clip(st.lines)
	if st.over {
		w.Lines = append(w.Lines, Line{Name: resolvedName, Step: rules.StepResolved, At: st.ended, Incident: w.Incident})
	}
	return w
}

// common are the values that most incidents share.
func (st *storm) common() []SharedValue {
	var out []SharedValue
	for _, field := range sharedFields() {
		for _, value := range slices.Sorted(maps.Keys(st.shared[field])) {
			if n := st.shared[field][value]; float64(n) >= sharedLeast*float64(st.total) && n > 1 {
				out = append(out, SharedValue{field, value, n})
			}
		}
	}
	return out
}
