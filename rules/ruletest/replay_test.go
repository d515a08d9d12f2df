package ruletest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

// A replay case is a folder with rules.yaml, events.ndjson (or .gz) and a text
// `want`. A line of events.ndjson is an event, stored at receivedAt, or one of
// these:
//
//	{"at": "2026-03-02T12:00:00Z"}                            time passes
//	{"at": "...", "reload": "second.yaml"}                    the rules file changes; noticed with the next line or deadline
//	{"at": "...", "restart": true}                            the engine is restored from its checkpoint
//	{"at": "...", "action": {"do": "disable", "rule": "a"}}   an action is stored; an incident is named by its rule
//
// A line of `want` is one of these; # begins a comment:
//
//	2026-03-02T12:00:00Z opened low critical provider=example   every transition, in their order
//	  why: no call for 1m                                       part of the reason of the line above
//	  says: 12 % are poor                                       the summary, of the line above
//	  figure: rate(mos < 3.5) = 12 % (3 of 25 measured)         the leading figure and its coverage
//	  samples: c7: mos (2.9) < 3.5, c3: mos (3.1) < 3.5         the sample calls with what held
//	low: matched 1, judged 1, unjudged 0, open 1                some of the counts of a rule at the end
//	problem: empty-condition                                    codes that loading reports; after an error, all there is
//	file: deep.yaml                                             the rules are in this file instead
//	rules: 1                                                    how many rules the file has
//	tests: 1                                                    how many tests of the rules pass, of all there are
//	explained: c7 low matched                                   the verdict of a rule about a call at the end, and what held it back
//	without: updated                                            steps that this case is not about
type replayCase struct {
	folder string
	want   string
	events []byte // where the folder has none
}

type replayLine struct {
	At      time.Time     `json:"at"`
	Reload  string        `json:"reload"`
	Restart bool          `json:"restart"`
	Action  *rules.Action `json:"action"`
}

// TestReplayCases runs the cases of testdata/replays.
func TestReplayCases(t *testing.T) {
	folders, err := filepath.Glob("testdata/replays/*/rules.yaml")
	if err != nil || len(folders) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range folders {
		folder := filepath.Dir(f)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(folder, "want"))
			if err != nil {
				t.Fatal(err)
			}
			replayCase{folder: folder, want: string(want)}.run(t)
		})
	}
}

// TestExternalCases runs cases that are kept elsewhere, in the folder rules of the
// one that CALLWATCH_CASES names. What each wants is in testdata/external, by the
// name of the case.
func TestExternalCases(t *testing.T) {
	root := os.Getenv("CALLWATCH_CASES")
	if root == "" {
		t.Skip("CALLWATCH_CASES is not set")
	}
	wants, err := filepath.Glob("testdata/external/*.want")
	if err != nil || len(wants) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range wants {
		name := strings.TrimSuffix(filepath.Base(f), ".want")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			folder, _, _ := strings.Cut(name, "@") // several of one folder
			replayCase{folder: filepath.Join(root, "rules", folder), want: string(want), events: externalEvents(t, name)}.run(t)
		})
	}
}

// externalEvents are the events of a case that has rules only.
func externalEvents(t *testing.T, name string) []byte {
	t.Helper()
	if !strings.HasPrefix(name, "13-") {
		return nil
	}
	// 20,000 calls within 48 minutes, with ever more bytes, over seven decades.
	const n = 20_000
	var out bytes.Buffer
	for i := range n {
		at := t0.Add(time.Duration(i) * 144 * time.Millisecond)
		b, err := json.Marshal(map[string]any{
			"id": fmt.Sprint("e", i), "provider": "example", "kind": "ended", "callId": fmt.Sprint("c", i), "final": true,
			"occurredAt": at, "receivedAt": at, "endedAt": at, "bytesReceived": int64(144 * math.Pow(10, 6.837*float64(i)/n)),
		})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(b, '\n'))
	}
	return out.Bytes()
}

func (c replayCase) run(t *testing.T) {
	t.Helper()
	w := c.wanted(t)
	steps, codes := w.steps, w.codes
	src, err := os.ReadFile(filepath.Join(c.folder, w.file))
	if err != nil {
		t.Fatal(err)
	}
	set, problems := rulefmt.Load(w.file, src)
	for _, code := range codes {
		if !slices.ContainsFunc(problems, func(p rules.Problem) bool { return p.Code == code }) {
			t.Errorf("no problem %s in:\n%v", code, problems)
		}
	}
	if problems.Errors() {
		if len(codes) == 0 {
			t.Fatal(problems)
		}
		return
	}
	if w.rules > 0 && len(set.Rules) != w.rules {
		t.Errorf("%d rules, want %d", len(set.Rules), w.rules)
	}
	passTests(t, set, w.tests)
	r := replay{t: t, folder: c.folder, engine: engine.New(set, engine.Options{}), set: set}
	if len(w.explained) > 0 {
		r.trace = NewTrace(set, engine.Options{})
	}
	if w.rules == 0 && w.tests == 0 || c.events != nil {
		r.lines(c.open(t))
	}
	r.explained(w.explained)
	var got []string
	made := slices.DeleteFunc(r.out, func(tr rules.Transition) bool { return slices.Contains(w.without, string(tr.Step)) })
	for i := range made {
		got = append(got, describe(&made[i]))
		if i < len(steps) {
			got = append(got, steps[i].tell(&made[i].Incident)...)
		}
		if i >= len(steps) || steps[i].why == "" {
			continue
		}
		why := made[i].Reason
		if strings.Contains(why, steps[i].why) {
			why = steps[i].why
		}
		got = append(got, "  why: "+why)
	}
	var want []string
	for _, s := range steps {
		want = append(append(want, s.text), s.told...)
		if s.why != "" {
			want = append(want, "  why: "+s.why)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("transitions (-want +got):\n%s", diff)
	}
	for _, h := range r.engine.Healths() {
		all := map[string]int{
			"matched": h.Counts.Matched, "judged": h.Counts.Judged, "unjudged": h.Counts.Unjudged,
			"open": h.Open, "keys": h.Keys, "late": h.Late, "errors": h.Errors,
			"active-hours": h.HeldBack.ActiveHours, "cooldown": h.HeldBack.Cooldown, "silences": h.HeldBack.Silences,
		}
		for name, n := range w.counts[h.Rule] {
			if got, known := all[name]; !known || got != n {
				t.Errorf("%s: %s is %d, want %d", h.Rule, name, got, n)
			}
		}
	}
}

// passTests runs the tests that are with the rules.
func passTests(t *testing.T, set *rules.Set, want int) {
	t.Helper()
	if want == 0 {
		return
	}
	run, ran := Runner{Set: set}, 0
	for _, r := range set.Rules {
		for i := range r.Tests {
			ran++
			if res := run.Run(&r.Tests[i]); !res.Passed {
				t.Errorf("test %s of %s: %+v", res.Name, res.Rule, res)
			}
		}
	}
	if ran != want {
		t.Errorf("%d tests ran, want %d", ran, want)
	}
}

func describe(t *rules.Transition) string {
	text := fmt.Sprintf("%s %s %s %s", t.At.Format(time.RFC3339Nano), t.Step, t.Incident.Rule, t.Incident.Severity)
	for _, l := range t.Incident.By {
		text += fmt.Sprintf(" %s=%s", l.Name, l.Value)
	}
	return text
}

type wanted struct {
	steps   []wantedStep
	counts  map[string]map[string]int // of each rule
	codes   []string                  // of problems
	without []string

	file         string
	rules, tests int
	explained    []string // call, rule and verdict
}

type wantedStep struct {
	text, why string
	told      []string // lines about the incident
}

// tell writes what the wanted lines about an incident ask for.
func (s *wantedStep) tell(in *rules.Incident) []string {
	var out []string
	for _, line := range s.told {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ": ")
		text := ""
		switch name {
		case "says":
			text = in.Summary
		case "figure":
			if v := in.Values; v != nil {
				text = v.Name + " = " + v.LatestText()
				if c := v.Coverage(); c != "" {
					text += "; " + c
				}
			}
		case "samples":
			var calls []string
			for i := range in.Samples {
				calls = append(calls, in.Samples[i].Call.CallID+": "+strings.Join(in.Samples[i].Held(), " and "))
			}
			text = strings.Join(calls, ", ")
		}
		out = append(out, "  "+name+": "+text)
	}
	return out
}

func (c replayCase) wanted(t *testing.T) wanted {
	t.Helper()
	w := wanted{counts: map[string]map[string]int{}, file: "rules.yaml"}
	for line := range strings.Lines(c.want) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n "), "#")
		line = strings.TrimRight(line, " ")
		name, rest, _ := strings.Cut(line, ": ")
		_, notTime := time.Parse(time.RFC3339Nano, strings.SplitN(line, " ", 2)[0])
		switch {
		case line == "":
		case notTime == nil:
			w.steps = append(w.steps, wantedStep{text: line})
		case strings.TrimSpace(name) == "why":
			w.steps[len(w.steps)-1].why = rest
		case strings.HasPrefix(line, "  ") && slices.Contains([]string{"says", "figure", "samples"}, strings.TrimSpace(name)):
			last := &w.steps[len(w.steps)-1]
			last.told = append(last.told, line)
		case name == "problem":
			w.codes = append(w.codes, rest)
		case name == "file":
			w.file = rest
		case name == "rules" || name == "tests":
			n, err := strconv.Atoi(rest)
			if err != nil {
				t.Fatalf("want: %q: %v", line, err)
			}
			*map[string]*int{"rules": &w.rules, "tests": &w.tests}[name] = n
		case name == "explained":
			w.explained = append(w.explained, rest)
		case name == "without":
			w.without = append(w.without, rest)
		default:
			if w.counts[name] == nil {
				w.counts[name] = map[string]int{}
			}
			for part := range strings.SplitSeq(rest, ", ") {
				var what string
				var n int
				if _, err := fmt.Sscanf(part, "%s %d", &what, &n); err != nil {
					t.Fatalf("want: %q: %v", line, err)
				}
				w.counts[name][what] = n
			}
		}
	}
	return w
}

// open reads the events, unpacked.
func (c replayCase) open(t *testing.T) []byte {
	t.Helper()
	if c.events != nil {
		return c.events
	}
	if b, err := os.ReadFile(filepath.Join(c.folder, "events.ndjson")); err == nil {
		return b
	}
	f, err := os.Open(filepath.Join(c.folder, "events.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay feeds an engine as a backtest does: in the order of the times at which
// events were stored, with a tick at each deadline on the way.
type replay struct {
	t      *testing.T
	folder string
	engine *engine.Engine
	set    *rules.Set
	trace  *Trace
	seq    uint64
	out    []rules.Transition
}

type replayStep struct {
	line  replayLine
	event *call.Event
}

func (r *replay) lines(text []byte) {
	r.t.Helper()
	var steps []replayStep
	in := bufio.NewScanner(bytes.NewReader(text))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var s replayStep
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		if err := json.Unmarshal(in.Bytes(), &s.line); err != nil {
			r.t.Fatal(err)
		}
		if s.line.At.IsZero() {
			s.event = &call.Event{}
			if err := json.Unmarshal(in.Bytes(), s.event); err != nil {
				r.t.Fatal(err)
			}
			// As a backtest stores events that were written without it.
			s.line.At = cmp.Or(s.event.ReceivedAt, s.event.EndedAt, s.event.OccurredAt)
			if s.event.ID == "" {
				s.event.ID = in.Text()
			}
		}
		steps = append(steps, s)
	}
	slices.SortStableFunc(steps, func(a, b replayStep) int { return a.line.At.Compare(b.line.At) })
	for _, s := range steps {
		r.step(s)
	}
}

// explained compares verdicts about calls, as "rules explain" gives them.
func (r *replay) explained(want []string) {
	r.t.Helper()
	if len(want) == 0 {
		return
	}
	got := map[string]bool{}
	for _, c := range r.trace.Calls() {
		for i := range c.Rules {
			text := ""
			if len(c.Rules[i].HeldBack) > 0 {
				text = ", held back by " + c.Rules[i].HeldBack[0].By + ": " + c.Rules[i].HeldBack[0].Text
			}
			got[fmt.Sprintf("%s %s %s", c.Call.CallID, c.Rules[i].Rule, c.Rules[i].Verdict)+text] = true
		}
	}
	for _, w := range want {
		if !got[w] {
			r.t.Errorf("not explained: %s; got %v", w, slices.Sorted(maps.Keys(got)))
		}
	}
}

func (r *replay) step(s replayStep) {
	r.t.Helper()
	if s.line.Restart {
		r.restore(r.set)
	}
	if s.line.Action == nil || s.line.Action.Do != rules.Resume { // else nobody was there to tick
		r.advance(s.line.At)
	}
	r.seq++
	switch {
	case s.event != nil:
		if r.trace != nil {
			r.trace.Apply(s.line.At, s.event)
		}
		r.out = append(r.out, r.engine.Apply(r.seq, s.line.At, s.event)...)
	case s.line.Action != nil:
		for _, in := range r.engine.Incidents() {
			if in.Rule == s.line.Action.Incident {
				s.line.Action.Incident = in.ID
			}
		}
		r.out = append(r.out, r.engine.Act(r.seq, s.line.At, *s.line.Action)...)
	default:
		r.out = append(r.out, r.engine.Tick(r.seq, s.line.At)...)
	}
	if s.line.Reload != "" {
		src, err := os.ReadFile(filepath.Join(r.folder, s.line.Reload))
		if err != nil {
			r.t.Fatal(err)
		}
		r.restore(compileSet(r.t, string(src)))
	}
}

func (r *replay) restore(set *rules.Set) {
	r.t.Helper()
	next, _, err := r.engine.Swap(set)
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine, r.set = next, set
}

func (r *replay) advance(to time.Time) {
	for {
		due := r.engine.NextDeadline()
		if due.IsZero() || !due.Before(to) {
			return
		}
		r.seq++
		r.out = append(r.out, r.engine.Tick(r.seq, due)...)
		if next := r.engine.NextDeadline(); !next.IsZero() && !next.After(due) {
			r.t.Fatalf("the deadline %s does not pass", due)
		}
	}
}
