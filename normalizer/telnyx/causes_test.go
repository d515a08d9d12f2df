package telnyx

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

// classified is an event with a hangup cause, finished as every event is.
func classified(t *testing.T, word string, code, sip *int64) call.Event {
	t.Helper()
	p := Provider()
	p.Normalize = func(*normalizer.Body) ([]call.Event, error) {
		e := call.Event{Facts: call.Facts{HangupCause: word, HangupCode: code, SIPCode: sip}}
		e.CallID, e.Kind = "c", call.Ended
		return []call.Event{e}, nil
	}
	events, err := normalizer.Events(p, &normalizer.Body{ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	return events[0]
}

// TestCauses holds the words to the table of testdata.
func TestCauses(t *testing.T) {
	f, err := os.Open("testdata/hangup_telnyx.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 11 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	word, class, severity := slices.Index(rows[0], "hangupCause"), slices.Index(rows[0], "hangupClass"), slices.Index(rows[0], "severity")
	for _, row := range rows[1:] {
		name := row[word]
		if name == normalizer.AnyWord {
			name = "never_heard_of"
		}
		faulty := slices.Contains([]string{"network", "config", "auth", "media", "internal"}, row[class])
		abnormal := faulty && (row[severity] == "warning" || row[severity] == "critical")
		for _, spelled := range []string{name, strings.ToUpper(name)} {
			e := classified(t, spelled, nil, nil)
			if e.HangupClass != row[class] || e.AbnormalHang == nil || *e.AbnormalHang != abnormal {
				t.Errorf("%s: %s abnormal %v, want %s %v", spelled, e.HangupClass, e.AbnormalHang, row[class], abnormal)
			}
		}
	}
	if n := len(causes()); n != len(rows)-1 {
		t.Errorf("%d words, the table has %d", n, len(rows)-1)
	}
}

// A SIP response that says more than Telnyx' word counts instead of it.
func TestCausesWithSIPResponses(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, c := range []struct {
		name, word string
		code, sip  *int64
		class      string
		abnormal   bool
	}{
		{"nothing known", "", nil, nil, "", false},
		{"rejected with 403", "call_rejected", nil, n(403), "auth", true},
		{"rejected with 407", "call_rejected", nil, n(407), "auth", true},
		{"rejected with 603", "call_rejected", nil, n(603), "user", false},
		{"rejected with 503", "call_rejected", nil, n(503), "user", false},
		{"timeout with 408", "timeout", nil, n(408), "network", true},
		{"timeout with 504", "timeout", nil, n(504), "network", true},
		{"timeout with 487", "timeout", nil, n(487), "user", false},
		{"unspecified with 503", "unspecified", nil, n(503), "network", true},
		{"unspecified with 486", "unspecified", nil, n(486), "user", false},
		{"unspecified with a response without class", "unspecified", nil, n(299), "internal", false},
		{"unlisted with 503", "odd", nil, n(503), "network", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := classified(t, c.word, c.code, c.sip)
			abnormal := e.AbnormalHang != nil && *e.AbnormalHang
			if e.HangupClass != c.class || abnormal != c.abnormal {
				t.Errorf("%q abnormal %v, want %q %v", e.HangupClass, abnormal, c.class, c.abnormal)
			}
		})
	}
}
