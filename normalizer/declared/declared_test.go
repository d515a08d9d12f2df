package declared

import (
	"os"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/declared/expression"
	"callwatch/normalizer/lenient"
)

func nimbus(t testing.TB) (*Declaration, []byte) {
	t.Helper()
	src, err := os.ReadFile("testdata/nimbus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d, problems := Load("nimbus.yaml", src)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return d, src
}

// A provider of less than 60 lines passes its own tests.
func TestNimbus(t *testing.T) {
	d, src := nimbus(t)
	if lines := strings.Count(string(src), "\n"); lines >= 60 {
		t.Errorf("%d lines", lines)
	}
	for _, o := range d.Run() {
		if len(o.Faults) > 0 || len(o.Notes) > 0 {
			t.Errorf("%s: %q, notes %q", o.Name, o.Faults, o.Notes)
		}
	}
}

// A mistake in any line is found: by Load with the line, or by the tests.
func TestMistakeInEachLine(t *testing.T) {
	_, src := nimbus(t)
	lines := strings.Split(strings.TrimSuffix(string(src), "\n"), "\n")
	for i, line := range lines {
		for name, mistake := range mistakes(line) {
			changed := append(append(append([]string(nil), lines[:i]...), mistake), lines[i+1:]...)
			_, problems := Load("nimbus.yaml", []byte(strings.Join(changed, "\n")+"\n"))
			if !problems.Errors() {
				t.Errorf("line %d, %s: %q is not found", i+1, name, mistake)
				continue
			}
			found := false
			for _, p := range problems {
				found = found || name == "cut off" || p.Line == i+1 && (p.Hint != "" || name != "typo in a word")
			}
			if !found {
				t.Errorf("line %d, %s: %q is reported elsewhere: %v", i+1, name, mistake, problems[0])
			}
		}
	}
}

// mistakes are a line with a typing error in its first key, in a function or a word of a
// small vocabulary, or without its last bracket or quote.
func mistakes(line string) map[string]string {
	out := map[string]string{}
	indent := line[:len(line)-len(strings.TrimLeft(line, " -"))]
	rest := line[len(indent):]
	key, _, ok := strings.Cut(rest, ":")
	if ok && len(key) > 2 {
		out["typo in a key"] = indent + key[:1] + "x" + key[1:] + rest[len(key):]
	} else if ok {
		out["typo in a key"] = indent + "zz" + rest
	}
	for _, word := range []string{"unixMs(", "phone(", "num(", "body.", "item."} {
		if strings.Contains(rest, word) {
			out["typo in "+word] = strings.Replace(line, word, word[:1]+"q"+word[1:], 1)
			break
		}
	}
	for _, word := range []string{"kind: ", "counters: ", "source: "} {
		if _, value, ok := strings.Cut(line, word); ok && !strings.HasPrefix(value, "call") {
			out["typo in the word of "+word] = strings.Replace(line, word, word+"x", 1)
			break
		}
	}
	if cut := strings.TrimRight(line, `)]}'"`); cut != line {
		out["cut off"] = line[:len(line)-1]
	}
	return out
}

// What could take endless time or memory is refused, or ends within its bounds.
func TestHostileMappings(t *testing.T) {
	for name, source := range map[string]string{
		"doubling texts":      `let a = body.x + body.x; let b = a + a; b`,
		"sequence":            `body.x; body.y`,
		"range":               `len(filter(1..1000000000, # > 1))`,
		"repeat":              `repeat(body.x, 1000000)`,
		"replace":             `replace(body.x, "", body.x)`,
		"join":                `join(split(body.x, ""), body.x)`,
		"deep predicates":     `all(body.l, all(body.l, all(body.l, all(body.l, true))))`,
		"power":               `2 ** 1000000`,
		"pattern of the body": `body.x matches body.y`,
		"now":                 `now()`,
		"environment":         `$env`,
		"long":                strings.Repeat("body.x + ", 400) + "1",
		"method":              `body.x.String()`,
		"call of a member":    `body.f(1)`,
		"reduce":              `reduce(body.l, #acc + #acc, body.x)`,
	} {
		if _, failed := expression.Compile(source, nil, expression.Fact); failed == nil {
			t.Errorf("%s: %.80s is not refused", name, source)
		}
	}
	list := "[" + strings.Repeat("1,", 20000) + "1]"
	body := `{"id":"c","l":` + list + `,"x":"` + strings.Repeat("x", 3<<20) + `","deep":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`
	for name, mapping := range map[string]string{
		"nested loops": `count(body.l, all(body.l, # > 0))`,
		"huge text":    `body.x + body.x + body.x`,
		"sums":         `sum(map(body.l, sum(map(body.l, #))))`,
		"texts":        `map(body.l, body.x)`,
	} {
		d, problems := Load("acme.yaml", []byte("verify: none\nevents:\n  - {kind: ended, set: {callId: body.id, agentName: '"+mapping+"', tags: '"+mapping+"'}}\n"))
		if problems.Errors() {
			t.Fatal(problems)
		}
		begun := time.Now()
		b := normalizer.Body{Provider: "acme", Source: normalizer.Pushed, ContentType: "application/json", Bytes: []byte(body), ReceivedAt: testTime()}
		events, err := normalizer.Events(d.Provider(), &b, normalizer.Options{})
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		if err == nil && (len(events) != 1 || len(events[0].AgentName) > 1<<16) {
			t.Errorf("%s: %d events", name, len(events))
		}
	}
	deep := `{"id":"c","x":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + "}"
	d, _ := nimbus(t)
	if _, err := d.normalize(&normalizer.Body{Bytes: []byte(deep), ContentType: "application/json"}); err == nil {
		t.Error("a body 5,000 levels deep is taken")
	}
}

// Mistakes in values are found in their place, with what was meant.
func TestMistakesInValues(t *testing.T) {
	for mistake, hint := range map[string]string{
		"events:\n  - {kind: endet, set: {callId: body.id}}":                                                                     "ended",
		"events:\n  - {kind: ended, set: {callId: boddy.id}}":                                                                    "did you mean body?",
		"events:\n  - {kind: ended, set: {callId: id}}":                                                                          "body.id",
		"events:\n  - {kind: ended, set: {callId: body.id, status: '\"hungry\"'}}":                                               "outcome",
		"events:\n  - {kind: ended, set: {callId: body.id, startedAt: 12}}":                                                      "initiated",
		"events:\n  - {kind: ended, set: {callId: body.id}, counters: cumulativ}":                                                "cumulative",
		"events:\n  - {kind: ended, set: {callId: body.id}, turns: {set: {llmMs: item.llm}}}":                                    "add each: body.turns",
		"events:\n  - {kind: ended, set: {callId: body.id}, turns: {each: body.turns, set: {lmMs: item.llm}}}":                   "did you mean llmMs?",
		"events:\n  - {kind: ended, set: {callId: body.id}, turns: {each: body.turns, sett: {llmMs: item.llm}}}":                 "did you mean set?",
		"events:\n  - {kind: ended, set: {callId: body.id}}\ncauses: {hangup: netwerk}":                                          "network",
		"events:\n  - {kind: ended, set: {callId: 'after(body.id)'}}":                                                            "after(",
		"events:\n  - {kind: ended, set: {callId: body.id}}\nfetch: {base: 'http://x', path: /c, auth: {bearer: K1}}":            "https",
		"events:\n  - {kind: ended, set: {callId: body.id, mos: 9}}":                                                             "mos cannot be 9",
		"events:\n  - {kind: ended, set: {callId: body.id, packetsLost: -5}}":                                                    "packetsLost cannot be -5",
		"events:\n  - {kind: ended, set: {callId: body.id, cost: 1e400}}":                                                        "the number 1e400 is too large",
		"events:\n  - {kind: ended, set: {callId: body.id, from: “x”}}":                                                          "quotes are straight",
		"events:\n  - {kind: ended, when: body.a = 5, set: {callId: body.id}}":                                                   "compare with ==",
		"events:\n  - {kind: ended, when: 5, set: {callId: body.id}}":                                                            "5 is no condition",
		"ignore: 'body.a =='\nevents:\n  - {kind: ended, set: {callId: body.id}}":                                                "unexpected end",
		"events:\n  - {kind: ended, set: {callId: body.id}}\nfetch: {base: 'https://x', path: '/c/{calId}', auth: {bearer: K1}}": "did you mean {callId}?",
	} {
		_, problems := Load("acme.yaml", []byte("verify: none\n"+mistake+"\n"))
		if !problems.Errors() || !strings.Contains(problems.Error(), hint) {
			t.Errorf("%s: %v, want a word of %q", mistake, problems, hint)
		}
	}
	for mistake, want := range map[string]string{
		"{hmac: {secret: SECRET, header: X-S, signed: \"{timestamp}.{body}\"}}":     "nothing says where it is",
		"{hmac: {secret: SECRET, header: X-S, signed: \"{url}\"}}":                  "does not cover the body",
		"{hmac: {secret: secret, header: X-S}}":                                     "CALLWATCH_ACME_SIGNING_SECRET",
		"{hmac: {header: X-S}}":                                                     "needs a secret",
		"{hmac: {secret: SECRET}}":                                                  "needs a header",
		"{hmca: {secret: SECRET, header: X-S}}":                                     "did you mean hmac?",
		"{hmac: {secret: SECRET, header: X-S, format: \"t={timestamp}\"}}":          "no {signature}",
		"{jwt: {secret: SECRET}}":                                                   "cover the body",
		"nothing":                                                                   "or none",
		"{hmac: {secret: SECRET, header: X-S, signed: \"{body}\", tolerance: 99d}}": "up to 24h",
	} {
		_, problems := Load("acme.yaml", []byte("verify: "+mistake+"\nevents:\n  - {kind: ended, set: {callId: body.id}}\n"))
		if !problems.Errors() || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v, want %q", mistake, problems, want)
		}
	}
}

// byHand is the mapping of nimbus.yaml for the end of a call, written in Go.
func byHand(b *normalizer.Body) ([]call.Event, error) {
	n, err := lenient.ParseJSON(b.Bytes)
	if err != nil {
		return nil, err
	}
	data := n.At("data")
	c := data.At("call")
	var e call.Event
	e.Kind, e.CallID, e.ID = call.Ended, c.At("id").Text(), n.At("delivery").Text()
	if c.At("dir").Text() == "in" {
		e.Direction = call.Inbound
	}
	e.From, e.To = c.At("from").Text(), c.At("to").Text()
	e.StartedAt, e.AnsweredAt, e.EndedAt = c.At("created").Unix(time.Millisecond), c.At("answered").Unix(time.Millisecond), c.At("over").Unix(time.Millisecond)
	e.HangupCause = data.At("why").Text()
	e.Status = map[string]string{"hangup": call.Completed, "busy": call.Busy}[e.HangupCause]
	e.Raw = normalizer.RawOf(data, []string{"samples"}, nil)
	return []call.Event{e}, nil
}

// BenchmarkNormalize compares a declared provider with the same one written in Go.
func BenchmarkNormalize(b *testing.B) {
	d, _ := nimbus(b)
	declared := d.Provider()
	written := declared
	written.Normalize = byHand
	for name, p := range map[string]normalizer.Provider{"declared": declared, "go": written} {
		b.Run(name, func(b *testing.B) {
			body := d.Tests[0].content("nimbus")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := normalizer.Events(p, &body, normalizer.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
