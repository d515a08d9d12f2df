package rules

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"callwatch/call"
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
//	without: updated                                            steps that this case is not about
type replayCase struct {
	folder string
	want   string
}

type replayLine struct {
	At      time.Time `json:"at"`
	Reload  string    `json:"reload"`
	Restart bool      `json:"restart"`
	Action  *Action   `json:"action"`
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
			replayCase{folder, string(want)}.run(t)
		})
	}
}

// TestExternalCases runs cases that are kept elsewhere: CALLWATCH_CASES names
// their folder. What each wants is in testdata/external, by the name of the case.
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
			replayCase{filepath.Join(root, name), string(want)}.run(t)
		})
	}
}

func (c replayCase) run(t *testing.T) {
	t.Helper()
	w := c.wanted(t)
	steps, codes := w.steps, w.codes
	src, err := os.ReadFile(filepath.Join(c.folder, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	set, problems := Load("rules.yaml", src)
	for _, code := range codes {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Code == code }) {
			t.Errorf("no problem %s in:\n%v", code, problems)
		}
	}
	if problems.Errors() {
		if len(codes) == 0 {
			t.Fatal(problems)
		}
		return
	}
	r := replay{t: t, folder: c.folder, engine: NewEngine(set, Options{})}
	r.lines(c.open(t))
	var got []string
	made := slices.DeleteFunc(r.out, func(tr Transition) bool { return slices.Contains(w.without, string(tr.Step)) })
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
	if diff := cmp.Diff(want, got); diff != "" {
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

func describe(t *Transition) string {
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
}

type wantedStep struct {
	text, why string
	told      []string // lines about the incident
}

// tell writes what the wanted lines about an incident ask for.
func (s *wantedStep) tell(in *Incident) []string {
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
	w := wanted{counts: map[string]map[string]int{}}
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
	engine *Engine
	seq    uint64
	out    []Transition
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
			s.line.At = s.event.ReceivedAt
		}
		steps = append(steps, s)
	}
	slices.SortStableFunc(steps, func(a, b replayStep) int { return a.line.At.Compare(b.line.At) })
	for _, s := range steps {
		r.step(s)
	}
}

func (r *replay) step(s replayStep) {
	r.t.Helper()
	if s.line.Restart {
		r.restore(r.engine.set)
	}
	if s.line.Action == nil || s.line.Action.Do != Resume { // else nobody was there to tick
		r.advance(s.line.At)
	}
	r.seq++
	switch {
	case s.event != nil:
		r.out = append(r.out, r.engine.Apply(r.seq, s.line.At, s.event)...)
	case s.line.Action != nil:
		for _, in := range r.engine.Incidents() {
			if in.Rule == s.line.Action.Incident {
				s.line.Action.Incident = in.ID
			}
		}
		r.out = append(r.out, r.engine.Mark(r.seq, s.line.At, *s.line.Action)...)
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

func (r *replay) restore(set *Set) {
	r.t.Helper()
	next, _, err := r.engine.Swap(set)
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = next
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
