package normalizer

import (
	"bytes"
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"callwatch/call"
)

// table gives each row of a CSV file by its column names.
func table(t *testing.T, name string, n int) []map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/tables/" + name)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != n+1 {
		t.Fatalf("%s has %d rows, want %d", name, len(records)-1, n)
	}
	var rows []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			row[column] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func number(t *testing.T, s string) *int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &n
}

// checkRow compares an event's class with a row of a table.
func checkRow(t *testing.T, what string, e call.Event, words map[string]Cause, row map[string]string) {
	t.Helper()
	classifyHangup(&e, words)
	faulty := slices.Contains([]string{"network", "config", "auth", "media", "internal"}, row["hangupClass"])
	abnormal := faulty && (row["severity"] == "warning" || row["severity"] == "critical")
	if e.HangupClass != row["hangupClass"] || e.AbnormalHang == nil || *e.AbnormalHang != abnormal {
		t.Errorf("%s: %s abnormal %v, want %s %v", what, e.HangupClass, e.AbnormalHang, row["hangupClass"], abnormal)
	}
}

func hungUp(cause string, code, sip *int64) call.Event {
	return call.Event{Facts: call.Facts{HangupCause: cause, HangupCode: code, SIPCode: sip}}
}

func TestHangupCodes(t *testing.T) {
	severities := []string{harmless: "none", Info: "info", warning: "warning", critical: "critical"}
	rows := table(t, "hangup_causes_q850.csv", 93)
	for _, row := range rows {
		code, name := number(t, row["hangupCode"]), row["hangupCause"]
		checkRow(t, row["hangupCode"], hungUp("", code, nil), nil, row)
		if got, _ := causeNumbered(*code); severities[got.severity] != row["severity"] {
			t.Errorf("%d has severity %s, want %s", *code, severities[got.severity], row["severity"])
		}
		if got := CauseName(*code); got != name {
			t.Errorf("%d is named %q, want %q", *code, got, name)
		}
		if name == "" {
			continue
		}
		for _, spelled := range []string{name, strings.ToLower(name), " " + name + " "} {
			checkRow(t, spelled, hungUp(spelled, nil, nil), nil, row)
		}
		e := hungUp(name, nil, nil)
		if classifyHangup(&e, nil); e.HangupCode == nil || *e.HangupCode != *code {
			t.Errorf("%s has code %v, want %d", name, e.HangupCode, *code)
		}
	}
	if n := len(causeRows()); n != len(rows) {
		t.Errorf("%d causes, the table has %d", n, len(rows))
	}
}

func TestSIPResponses(t *testing.T) {
	listed := map[int64]bool{}
	for _, row := range table(t, "sip_response_class.csv", 45) {
		code := number(t, row["sipCode"])
		listed[*code] = true
		checkRow(t, "SIP "+row["sipCode"], hungUp("", nil, code), nil, row)
	}
	for code := range int64(1000) {
		if _, ok := sipCause(&code); ok != listed[code] {
			t.Errorf("SIP %d has a class: %v", code, ok)
		}
	}
}

func TestClassifyHangup(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	own := map[string]Cause{"declined": {Class: ClassUser, SIP: []int64{403}}, "odd": {Class: classNetwork, Severity: warning, AnySIP: true}, AnyWord: {Class: ClassInternal}}
	for _, c := range []struct {
		name     string
		event    call.Event
		words    map[string]Cause
		class    string
		abnormal bool
	}{
		{"nothing known", hungUp("", nil, nil), own, "", false},
		{"words of nobody", hungUp("user_hangup", nil, nil), nil, "", false},
		{"a word of the provider", hungUp("Declined", nil, nil), own, "user", false},
		{"a response that says more", hungUp("declined", nil, n(403)), own, "auth", true},
		{"a response that says less", hungUp("declined", nil, n(503)), own, "user", false},
		{"any response says more", hungUp("odd", nil, n(486)), own, "user", false},
		{"a response without class", hungUp("odd", nil, n(299)), own, "network", true},
		{"any other word", hungUp("unheard", nil, nil), own, "internal", false},
		{"any other word with 503", hungUp("unheard", nil, n(503)), own, "network", true},
		{"unlisted with a code", hungUp("odd", n(38), n(486)), nil, "network", true},
		{"name before code", hungUp("USER_BUSY", n(38), nil), nil, "user", false},
		{"code before SIP", hungUp("", n(17), n(503)), nil, "user", false},
		{"unlisted code, then SIP", hungUp("", n(3010), n(503)), nil, "network", true},
		{"unlisted code", hungUp("", n(3010), nil), nil, "", false},
		{"the mapping knows better", call.Event{Facts: call.Facts{HangupClass: "policy", HangupCode: n(38)}}, nil, "policy", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.event
			classifyHangup(&e, c.words)
			abnormal := e.AbnormalHang != nil && *e.AbnormalHang
			if e.HangupClass != c.class || abnormal != c.abnormal {
				t.Errorf("%q abnormal %v, want %q %v", e.HangupClass, abnormal, c.class, c.abnormal)
			}
			if c.class == "" && e.AbnormalHang != nil {
				t.Error("abnormalHangup is known without a class")
			}
		})
	}
}

func TestHangupCodeOfProviderStays(t *testing.T) {
	e := hungUp("NORMAL_CLEARING", new(int64(31)), nil)
	if classifyHangup(&e, nil); *e.HangupCode != 31 {
		t.Errorf("hangupCode %d, want 31", *e.HangupCode)
	}
}

func TestHangupClassesAreOfTheFieldTable(t *testing.T) {
	f, _ := call.Lookup("hangupClass")
	for _, row := range causeRows() {
		if !slices.Contains(f.Enum, row.class) {
			t.Errorf("%d has class %q", row.code, row.class)
		}
	}
}
