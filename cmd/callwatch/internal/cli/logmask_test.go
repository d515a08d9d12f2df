package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestNumbersAreMaskedInTheLog logs numbers in every place that a line has.
func TestNumbersAreMaskedInTheLog(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{true, false} {
		for _, number := range []string{
			"+49 151 1234 5678", "+4915112345678", "0049 151 12345678", "(0151) 12345678", "sip:+4915112345678@h", "tel:+49-151-12345678",
			"from:015112345678", "call/004915112345678", "0151.12345678", "%2B49%20151%2012345678", "+49_151_12345678", "from:4915112345678",
		} {
			var out bytes.Buffer
			log, err := Logger(&out, "debug", asJSON)
			if err != nil {
				t.Fatal(err)
			}
			log.With("who", number).WithGroup("call").Info("a call of "+number, "text", "x "+number, "err", errors.New("dial "+number),
				"list", []string{number}, slog.Group("inner", "party", number), "typed", slog.StringValue(number))
			if strings.Contains(strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "_", "", "%20", "").Replace(out.String()), "15112345678") || strings.Count(out.String(), "•••••••78") != 7 {
				t.Errorf("json %v, %s: %s", asJSON, number, out.String())
			}
		}
		var out bytes.Buffer
		log, _ := Logger(&out, "debug", asJSON)
		log.Info("kept", "from", "15112345678", "call", "v3:550e8400-0123-4567-8901-446655440000", "n", 15112345678, "address", "127.0.0.1:8080")
		if s := out.String(); strings.Contains(s[:strings.Index(s, "call")], "15112345678") || !strings.Contains(s, "550e8400-0123-4567-8901-446655440000") || !strings.Contains(s, "127.0.0.1:8080") {
			t.Error(s)
		}
	}
}
