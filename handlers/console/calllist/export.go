package calllist

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// Exporter writes rows as CSV or, as ndjson, as one JSON object a line. Flush writes what
// is held back.
func Exporter(w http.ResponseWriter, form string) (write func(r *backend.CallRow) error, flush func()) {
	if form == "ndjson" {
		enc := json.NewEncoder(w)
		return func(r *backend.CallRow) error {
			return enc.Encode(struct {
				At        string         `json:"at"`
				Account   string         `json:"account,omitempty"`
				Severity  rules.Severity `json:"severity,omitempty"`
				Incidents []string       `json:"incidents,omitempty"`
				Call      call.Event     `json:"call"`
			}{r.At.UTC().Format(time.RFC3339Nano), r.Account, r.Severity, r.Incidents, r.Call})
		}, func() {}
	}
	out := csv.NewWriter(w)
	var fields []call.Field
	for _, f := range call.Fields() {
		if f.Type != call.List && f.Type != call.Object && f.Name != "account" {
			fields = append(fields, f)
		}
	}
	header := []string{"at", "account", "severity", "incidents"}
	for _, f := range fields {
		header = append(header, f.Name)
	}
	_ = out.Write(header) // an error comes again with the first row
	return func(r *backend.CallRow) error {
		row := []string{r.At.UTC().Format(time.RFC3339Nano), plainCell(r.Account), string(r.Severity), strings.Join(r.Incidents, " ")}
		for _, f := range fields {
			cell := ""
			if f.Known(&r.Call) {
				cell = csvValue(f.Value(&r.Call))
			}
			row = append(row, cell)
		}
		return out.Write(row)
	}, out.Flush
}

func csvValue(v any) string {
	switch v := v.(type) {
	case string:
		return plainCell(v)
	case []string:
		return plainCell(strings.Join(v, " "))
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool, int, int64:
		return fmt.Sprint(v)
	case time.Time:
		return v.UTC().Format(time.DateTime)
	default:
		return plainCell(fmt.Sprint(v))
	}
}

// plainCell keeps a spreadsheet from taking a provider's text for a formula. A
// number with its plus sign stays as it is.
func plainCell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if s[0] == '+' && strings.Trim(s[1:], "0123456789") == "" {
		return s
	}
	return "'" + s
}
