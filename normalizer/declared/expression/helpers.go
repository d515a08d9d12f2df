package expression

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/e164"
	"callwatch/normalizer/lenient"
)

// helper is a function of mappings. What it cannot read is absent.
type helper struct {
	doc, example string
	least, most  int           // arguments
	one          func(any) any // of a helper that can have one argument
	call         func(args ...any) (any, error)
	types        []any
}

func (h helper) arguments() string {
	if h.least == h.most {
		return fmt.Sprintf("%d argument", h.least)
	}
	return fmt.Sprintf("%d to %d arguments", h.least, h.most)
}

func unary(doc, example string, of func(any) any) helper {
	return helper{
		doc: doc, example: example, least: 1, most: 1, one: of,
		call:  func(args ...any) (any, error) { return of(args[0]), nil },
		types: []any{new(func(any) any)},
	}
}

// helpers are the functions of mappings beside those of expr-lang.
var helpers = sync.OnceValue(helperTable)

func helperTable() map[string]helper {
	return map[string]helper{
		"num":     unary("a number, also one that is written as text", `num(body.stats.jitter)`, Number),
		"text":    unary("a text, also of a number", `text(body.id)`, Text),
		"bool":    unary("a truth value, also one that is written as text", `bool(body.answered)`, Truth),
		"time":    unary("a time in ISO 8601 or RFC 2822; without a zone it is UTC", `time(body.ended_at)`, Instant),
		"unix":    unary("a time in seconds since 1970", `unix(body.ended)`, since1970(time.Second)),
		"unixMs":  unary("a time in milliseconds since 1970", `unixMs(body.ended)`, since1970(time.Millisecond)),
		"unixUs":  unary("a time in microseconds since 1970", `unixUs(body.ended)`, since1970(time.Microsecond)),
		"seconds": unary("a length of time in seconds: 75, \"75\", \"00:01:15\", \"1m15s\", \"PT1M15S\"", `seconds(body.duration)`, seconds),
		"phone":   unary("a telephone number in E.164, also of a SIP or tel URI", `phone(body.from)`, phone),
		"fold":    unary("a word in lower case with hyphens: no_answer, NoAnswer and no-answer are one", `fold(body.reason)`, foldedText),
		"status":  unary("the status of a call in callwatch's words", `status(body.status)`, StatusOf),
		"q850":    unary("the number of a hangup cause by its FreeSWITCH name", `q850(body.cause)`, causeNumber),
		"sip":     unary("a SIP response code, also within a text such as \"SIP 486\"", `sip(body.reason)`, sipCode),
		"json":    unary("the JSON within a text", `json(body.payload).id`, parseJSON),
		"numbers": unary("the numbers of a list, less what is no number", `mean(numbers(body.latencies))`, numbers),
		"p95":     unary("the 95th percentile of a list of numbers", `p95(body.latencies)`, percentile95),
		"keys":    unary("the names of an object's members", `len(keys(body.participants))`, names),
		"orElse": {
			doc: "the first that is known and no empty text", example: `orElse(body.to, body.callee)`, least: 2, most: 6,
			call: func(args ...any) (any, error) {
				for _, a := range args {
					if a != nil && a != "" {
						return a, nil
					}
				}
				return nil, nil
			},
			types: []any{new(func(...any) any)},
		},
		"after": {
			doc: "a time so many seconds after another", example: `after(unix(body.start), num(body.seconds))`, least: 2, most: 2,
			call: func(args ...any) (any, error) {
				t, ok := args[0].(time.Time)
				sec, also := AsFloat(Number(args[1]))
				if end := normalizer.SecondsAfter(t, sec); ok && also && !end.IsZero() {
					return end, nil
				}
				return nil, nil
			},
			types: []any{new(func(any, any) any)},
		},
		"between": {
			doc: "the seconds from one time to another", example: `between(time(body.answer), time(body.end))`, least: 2, most: 2,
			call: func(args ...any) (any, error) {
				from, ok := args[0].(time.Time)
				to, also := args[1].(time.Time)
				if !ok || !also || to.Before(from) {
					return nil, nil
				}
				return to.Sub(from).Seconds(), nil
			},
			types: []any{new(func(any, any) any)},
		},
	}
}

func AsFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return 0, false
}

// Number reads a number, or the text of one.
func Number(v any) any {
	switch v := v.(type) {
	case int, float64:
		return v
	case string:
		return lenient.Of(strings.TrimSpace(v)).PlainNumber()
	}
	return nil
}

func Text(v any) any {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return nil
}

func Truth(v any) any {
	switch v := v.(type) {
	case bool:
		return v
	case int:
		if v == 0 || v == 1 {
			return v == 1
		}
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "yes", "1", "on":
			return true
		case "false", "no", "0", "off":
			return false
		}
	}
	return nil
}

func Instant(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v
	case string:
		return known(lenient.Of(v).Time())
	}
	return nil
}

func known(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func since1970(unit time.Duration) func(any) any {
	return func(v any) any {
		f, ok := AsFloat(Number(v))
		if !ok {
			return nil
		}
		return known(lenient.Of(strconv.FormatFloat(f, 'f', -1, 64)).Unix(unit))
	}
}

// seconds reads a length of time in one of its spellings.
func seconds(v any) any {
	if n := Number(v); n != nil {
		return n
	}
	s, ok := v.(string)
	if !ok || len(s) > 64 {
		return nil
	}
	s = strings.TrimSpace(s)
	if clock := strings.Split(s, ":"); len(clock) == 2 || len(clock) == 3 {
		total := 0.0
		for _, part := range clock {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil || !(f >= 0 && f < 1e6) {
				return nil
			}
			total = 60*total + f
		}
		return total
	}
	s = strings.ToLower(s)
	if iso, ok := strings.CutPrefix(s, "pt"); ok {
		s = iso
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return nil
	}
	return d.Seconds()
}

// phone takes the user part of a URI and brings a number to E.164.
func phone(v any) any {
	s, ok := Text(v).(string)
	if !ok {
		return nil
	}
	s = strings.TrimSpace(s)
	if from := strings.IndexByte(s, '<'); from >= 0 { // "Name" <sip:user@host>
		s, _, _ = strings.Cut(s[from+1:], ">")
	}
	for _, scheme := range []string{"sips:", "sip:", "tel:"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s, _, _ = strings.Cut(s[len(scheme):], "@")
			s, _, _ = strings.Cut(s, ";")
			break
		}
	}
	if s == "" {
		return nil
	}
	number, _ := e164.Normalize(s, "")
	return number
}

func foldedText(v any) any {
	if s, ok := Text(v).(string); ok && s != "" {
		return lenient.FoldWord(s)
	}
	return nil
}

// StatusOf reads the words that providers have for the status of a call.
func StatusOf(v any) any {
	s, ok := foldedText(v).(string)
	if !ok {
		return nil
	}
	switch s {
	case call.Completed, "complete", "ended", "end", "finished", "done", "hangup", "hung-up", "successful", "success", "terminated":
		return call.Completed
	case call.Busy, "user-busy", "line-busy":
		return call.Busy
	case call.NoAnswer, "noanswer", "unanswered", "timeout", "timed-out", "not-answered", "no-user-response", "missed", "ring-timeout":
		return call.NoAnswer
	case call.Failed, "fail", "failure", "error", "rejected", "declined", "unreachable", "congestion", "not-found", "chanunavail":
		return call.Failed
	case call.Canceled, "cancel", "abandoned", "originator-cancel":
		return call.Canceled
	case call.InProgress, "inprogress", "queued", "initiated", "started", "start", "dialing", "ringing", "early-media", "trying", "answered", "answer", "active", "ongoing", "connected", "registered":
		return call.InProgress
	}
	return nil
}

func causeNumber(v any) any {
	s, ok := Text(v).(string)
	if !ok {
		return nil
	}
	if code, ok := normalizer.CauseCode(strings.ReplaceAll(strings.TrimSpace(s), "-", "_")); ok {
		return int(code)
	}
	return nil
}

// sipCode finds the first number of three digits that is a SIP response.
func sipCode(v any) any {
	s, ok := Text(v).(string)
	if !ok {
		return nil
	}
	for field := range strings.FieldsFuncSeq(s, func(r rune) bool { return r < '0' || r > '9' }) {
		if code, err := strconv.Atoi(field); err == nil && len(field) == 3 && code >= 100 && code <= 699 {
			return code
		}
	}
	return nil
}

func parseJSON(v any) any {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	n, err := lenient.ParseJSON([]byte(s))
	if err != nil {
		return nil
	}
	return Value(n)
}

func numbers(v any) any {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		if n := Number(e); n != nil {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Latencies are the numbers of a list as the figures of turns.
func Latencies(v any) normalizer.Latencies {
	list, _ := numbers(v).([]any)
	var out normalizer.Latencies
	for _, e := range list {
		if f, ok := AsFloat(e); ok && f >= 0 {
			out = append(out, f)
		}
	}
	return out
}

func percentile95(v any) any {
	if p := Latencies(v).P95(); p != nil {
		return *p
	}
	return nil
}

func names(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := make([]any, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	return out
}

// Encode is a value as JSON; nil where it cannot be written.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// Reference is the table of the helpers for the documentation.
func Reference() string {
	var b strings.Builder
	b.WriteString("| function | |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(helpers())) {
		h := helpers()[name]
		fmt.Fprintf(&b, "| `%s` | %s |\n", h.example, h.doc)
	}
	return b.String()
}

// OneOf is a word as a field with few texts has it; "" for another word.
func OneOf(f call.Field, s string) string {
	s = lenient.FoldWord(s)
	switch f.Name {
	case "status":
		s, _ = StatusOf(s).(string)
	case "direction":
		switch {
		case s == "in", s == "incoming", s == "received", strings.HasPrefix(s, call.Inbound):
			return call.Inbound
		case s == "out", s == "outgoing", s == "dialed", strings.HasPrefix(s, call.Outbound):
			return call.Outbound
		}
	case "transport":
		switch s {
		case "phone", "phone-call", "telephony", "tel":
			return call.PSTN
		case "web", "web-call", "browser":
			return call.WebRTC
		}
	}
	for _, word := range f.Enum {
		if s == word {
			return s
		}
	}
	return ""
}
