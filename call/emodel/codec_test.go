package emodel

import (
	"math"
	"strings"
	"testing"
)

func TestCodecNames(t *testing.T) {
	for name, want := range map[string]string{
		"PCMU": "pcmu", " audio/PCMA/8000 ": "pcma", "G711U": "pcmu", "ulaw": "pcmu", "g711a": "pcma", "ALAW": "pcma",
		"G729A": "g729", "g723.1": "g723", "opus/48000/2": "opus", "g711-noplc": "g711-noplc",
		"AMR": Unknown, "ilbc": Unknown, "": Unknown, "audio/": Unknown,
	} {
		if row, _ := (Table{}).Codec(name); row != want {
			t.Errorf("%q is row %s, want %s", name, row, want)
		}
	}
}

func TestTableOverrides(t *testing.T) {
	ilbc := Codec{Ie: 11, Bpl: 32, PtimeMs: 30, Grounding: Literature}
	table, err := NewTable(map[string]Codec{
		"audio/iLBC": ilbc,
		"ULAW":       {Bpl: 4.3, PtimeMs: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	if row, c := table.Codec("ILBC/8000"); row != "ilbc" || c != ilbc {
		t.Errorf("added row: %s %+v", row, c)
	}
	if row, c := table.Codec("PCMU"); row != "pcmu" || c.Bpl != 4.3 || c.Grounding != Assumed {
		t.Errorf("replaced row: %s %+v", row, c)
	}
	if _, c := table.Codec("pcma"); c.Bpl != 25.1 {
		t.Errorf("untouched row: %+v", c)
	}
}

func TestTableRefuses(t *testing.T) {
	good := Codec{Bpl: 10, PtimeMs: 20}
	for name, c := range map[string]struct {
		rows map[string]Codec
		want string
	}{
		"negative ie":        {map[string]Codec{"x": {Ie: -1, Bpl: 1, PtimeMs: 20}}, `codec "x": ie -1`},
		"ie that inverts":    {map[string]Codec{"x": {Ie: 95, Bpl: 1, PtimeMs: 20}}, `codec "x": ie 95`},
		"ie not a number":    {map[string]Codec{"x": {Ie: math.NaN(), Bpl: 1, PtimeMs: 20}}, `ie NaN`},
		"no bpl":             {map[string]Codec{"x": {PtimeMs: 20}}, `bpl 0`},
		"infinite bpl":       {map[string]Codec{"x": {Bpl: math.Inf(1), PtimeMs: 20}}, `bpl +Inf`},
		"no ptime":           {map[string]Codec{"x": {Bpl: 1}}, `ptimeMs 0`},
		"negative lookahead": {map[string]Codec{"x": {Bpl: 1, PtimeMs: 20, LookaheadMs: -1}}, `lookaheadMs -1`},
		"two names of one":   {map[string]Codec{"pcmu": good, "ulaw": good}, `named twice`},
		"no name":            {map[string]Codec{"audio/": good}, `has no name`},
		"every one is told":  {map[string]Codec{"a": {}, "b": {}}, "codec \"a\": bpl 0 is not above 0\ncodec \"b\": bpl 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewTable(c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
	if _, err := NewTable(map[string]Codec{"x": {Ie: 94.9, Bpl: 0.1, PtimeMs: 20}}); err != nil {
		t.Error(err)
	}
}
