package emodel

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Codec is one row of the codec table, on the narrowband scale.
type Codec struct {
	Ie          float64 `json:"ie" min:"0" below:"95" doc:"equipment impairment without loss"`
	Bpl         float64 `json:"bpl" above:"0" doc:"packet-loss robustness"`
	PtimeMs     float64 `json:"ptimeMs" above:"0" doc:"audio per packet in milliseconds"`
	LookaheadMs float64 `json:"lookaheadMs" min:"0" doc:"delay of the encoder beyond one packet in milliseconds"`
	Grounding   string  `json:"mosGrounding" doc:"what ie and bpl rest on; assumed where it is not said"`
}

// Groundings of a codec's values.
const (
	G113       = "g113"       // ITU-T G.113 (2024) Appendix I
	Literature = "literature" // published measurements, not a standard
	Assumed    = "assumed"    // nobody published a value
)

// Unknown is the row of every codec that has none of its own.
const Unknown = "unknown"

// defaultRow is the codec table as shipped. AMR and iLBC have no row on purpose:
// no value for them was published on this scale.
func defaultRow(row string) (Codec, bool) {
	switch row {
	case "pcmu", "pcma": // G.711 with the concealment of its Appendix I, 10 ms packets
		return Codec{Bpl: 25.1, PtimeMs: 20, Grounding: G113}, true
	case "g711-noplc": // for endpoints without concealment, only by configuration
		return Codec{Bpl: 4.3, PtimeMs: 20, Grounding: G113}, true
	case "g729": // G.729A + VAD
		return Codec{Ie: 11, Bpl: 19, PtimeMs: 20, LookaheadMs: 5, Grounding: G113}, true
	case "g723": // G.723.1 6.3 kbit/s + VAD
		return Codec{Ie: 15, Bpl: 16.1, PtimeMs: 30, LookaheadMs: 7.5, Grounding: G113}, true
	case "gsm-efr":
		return Codec{Ie: 5, Bpl: 10, PtimeMs: 20, Grounding: G113}, true
	case "opus": // Bpl within the narrowband fits at 8 to 11 kbit/s; Ie 0 keeps clean Opus equal to clean G.711
		return Codec{Bpl: 16, PtimeMs: 20, LookaheadMs: 6.5, Grounding: Literature}, true
	case "g722":
		return Codec{Bpl: 16, PtimeMs: 20, LookaheadMs: 1.5, Grounding: Assumed}, true
	case Unknown:
		return Codec{Bpl: 16, PtimeMs: 20, Grounding: Assumed}, true
	default:
		return Codec{}, false
	}
}

// Table is the codec table. The zero value has the default rows.
type Table struct{ rows map[string]Codec }

// NewTable is the default table with rows replaced or added, by codec name. The
// error names every row that cannot be used, and why.
func NewTable(rows map[string]Codec) (Table, error) {
	t := Table{rows: make(map[string]Codec, len(rows))}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		row, c := rowName(name), rows[name]
		err := c.check()
		if _, twice := t.rows[row]; err == nil && twice {
			err = errors.New("named twice")
		}
		if err == nil && row == "" {
			err = errors.New("has no name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("codec %q: %w", name, err))
			continue
		}
		if c.Grounding == "" {
			c.Grounding = Assumed
		}
		t.rows[row] = c
	}
	if len(errs) > 0 {
		return Table{}, errors.Join(errs...)
	}
	return t, nil
}

func (c Codec) check() error {
	switch {
	case !(c.Ie >= 0 && c.Ie < 95): // from 95 on, loss would improve the score
		return fmt.Errorf("ie %v is not within 0 and below 95", c.Ie)
	case !(c.Bpl > 0) || math.IsInf(c.Bpl, 0):
		return fmt.Errorf("bpl %v is not above 0", c.Bpl)
	case !(c.PtimeMs > 0 && c.PtimeMs <= maxMs):
		return fmt.Errorf("ptimeMs %v is not above 0", c.PtimeMs)
	case !(c.LookaheadMs >= 0 && c.LookaheadMs <= maxMs):
		return fmt.Errorf("lookaheadMs %v is below 0", c.LookaheadMs)
	}
	return nil
}

// Codec finds the row for a codec's name as providers write it ("PCMU",
// "audio/opus", "opus/48000/2"): Unknown for a name without a row.
func (t Table) Codec(name string) (row string, c Codec) {
	row = rowName(name)
	if c, ok := t.row(row); ok {
		return row, c
	}
	c, _ = t.row(Unknown)
	return Unknown, c
}

func (t Table) row(row string) (Codec, bool) {
	if c, ok := t.rows[row]; ok {
		return c, true
	}
	return defaultRow(row)
}

// rowName is the name of a codec's row: lower case, without "audio/", clock rate
// and channels, aliases resolved.
func rowName(name string) string {
	s := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "audio/")
	s, _, _ = strings.Cut(s, "/")
	switch s {
	case "g711u", "ulaw":
		return "pcmu"
	case "g711a", "alaw":
		return "pcma"
	case "g729a":
		return "g729"
	case "g723.1":
		return "g723"
	}
	return s
}
