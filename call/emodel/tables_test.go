package emodel

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
)

// The tables of testdata give absolute values to 6 decimals and more.
const tolerance = 1e-6

// readCSV gives each row by its column names.
func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = r[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func parse(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near fails when got is not within tol of want; NaN is never near.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.9f, want %.9f", what, got, want)
	}
}

// set gives a parameter by its symbol of G.107.
func (p *Params) set(t *testing.T, symbol string, v float64) {
	t.Helper()
	name := map[string]string{"qdu": "Qdu", "sT": "ST", "mT": "MT"}[symbol]
	if name == "" {
		name = symbol
	}
	f := reflect.ValueOf(p).Elem().FieldByName(name)
	if !f.IsValid() {
		t.Fatalf("no parameter %q", symbol)
	}
	f.SetFloat(v)
}

func TestDefaults(t *testing.T) {
	var p Params
	rows := readCSV(t, "g107_defaults.csv")
	for _, row := range rows {
		p.set(t, row["symbol"], parse(t, row["default"]))
	}
	if p != Defaults() {
		t.Errorf("Defaults() = %+v, want %+v", Defaults(), p)
	}
	if n := reflect.TypeFor[Params]().NumField(); n != len(rows) {
		t.Errorf("%d parameters, the table has %d", n, len(rows))
	}
}

func TestTermsOfDefaults(t *testing.T) {
	got := Defaults().Terms()
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"No", got.No, -61.179214386242},
		{"Ro", got.Ro, 94.768821579363},
		{"Iolr", got.Iolr, 0.440178125611},
		{"Ist", got.Ist, -0.000715132889},
		{"Iq", got.Iq, 0.974105138427},
		{"Is", got.Is, 1.413568131149},
		{"Id", got.Id, 0.149045724937},
		{"R", got.R, 93.206207723276},
		{"MOS", MOS(got.R), 4.409405954387},
	} {
		near(t, c.what, c.got, c.want, 1e-11)
	}
}

// The branches that no default reaches, from the equations by hand: a quiet
// sidetone adds Ist to the talker echo by squares, a loud one lowers its limit.
func TestSidetoneChangesTalkerEcho(t *testing.T) {
	p := monitored(100)
	p.STMR = 21
	got := p.Terms()
	plain := p.talkerEcho(got.No, 0)
	near(t, "Idte at STMR 21", got.Idte, math.Sqrt(plain*plain+got.Ist*got.Ist), tolerance)

	p.STMR = 8
	got = p.Terms()
	p.TELR += got.Ist / 2
	p.STMR = 9
	near(t, "Idte at STMR 8", got.Idte, p.talkerEcho(got.No, got.Ist), tolerance)
}

// monitored is the profile of the estimator at a one-way delay.
func monitored(ta float64) Params {
	p := Defaults()
	p.T, p.Ta, p.Tr = ta, ta, 2*ta
	return p
}

func TestGrid(t *testing.T) {
	rows := readCSV(t, "grid_nb.csv")
	if len(rows) != 1326 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, row := range rows {
		p := monitored(parse(t, row["oneWayDelayMs"]))
		p.Ie, p.Bpl = parse(t, row["Ie"]), parse(t, row["Bpl"])
		p.Ppl, p.BurstR = parse(t, row["pplPct"]), parse(t, row["burstRatio"])
		got := p.Terms()
		line := "line " + strconv.Itoa(i+2)
		near(t, line+" IeEff", got.IeEff, parse(t, row["IeEff"]), tolerance)
		near(t, line+" Id", got.Id, parse(t, row["Id"]), tolerance)
		near(t, line+" R", got.R, parse(t, row["R"]), tolerance)
		near(t, line+" mos", MOS(got.R), parse(t, row["mos"]), tolerance)
	}
}

func TestPublishedPairs(t *testing.T) {
	for _, row := range readCSV(t, "published_pairs.csv") {
		t.Run(row["id"], func(t *testing.T) {
			var in map[string]float64
			if err := json.Unmarshal([]byte(row["inputs"]), &in); err != nil {
				t.Fatal(err)
			}
			got, ok := evaluate(t, row["model"], in)[row["quantity"]]
			if !ok {
				t.Fatalf("model %s has no %s", row["model"], row["quantity"])
			}
			near(t, row["quantity"], got, parse(t, row["computed"]), tolerance)
			want, tol := parse(t, row["expected"]), parse(t, row["tolerance"])
			if match := math.Abs(got-want) <= tol; match != (row["match"] == "yes") {
				t.Errorf("%s = %v, published %v ± %v, match %s", row["quantity"], got, want, tol, row["match"])
			}
		})
	}
}

// evaluate runs one of the models that publications name; all but the first four
// are here only to be compared with.
func evaluate(t *testing.T, model string, in map[string]float64) map[string]float64 {
	t.Helper()
	switch model {
	case "g107":
		p := Defaults()
		for symbol, v := range in {
			p.set(t, symbol, v)
		}
		got := p.Terms()
		return map[string]float64{
			"Ro": got.Ro, "Is": got.Is, "Id": got.Id, "IeEff": got.IeEff, "R": got.R, "MOS": MOS(got.R),
		}
	case "ieEff", "ieEffSubjective":
		burst := 1.0
		if b, ok := in["BurstR"]; ok {
			burst = b
		}
		return map[string]float64{"IeEff": IeEff(in["Ie"], in["Bpl"], in["Ppl"], burst)}
	case "rToMos":
		return map[string]float64{"MOS": MOS(in["R"])}
	case "rToMosRaw":
		return map[string]float64{"MOS": polynomial(in["R"])}
	case "coleRosenbluthId":
		return map[string]float64{"Id": 0.024*in["d"] + 0.11*max(0, in["d"]-177.3)}
	case "gobPow":
		share := func(x float64) float64 { return 50 * (1 + math.Erf(x/math.Sqrt2)) }
		return map[string]float64{"gobPct": share((in["R"] - 60) / 16), "powPct": share((45 - in["R"]) / 16)}
	case "g1071":
		ie := IeEff(in["IeWB"], in["Bpl"], in["Ppl"], 1)
		return map[string]float64{"IeEff": ie, "MOS": MOS((129 - ie) / 1.29)}
	}
	t.Fatalf("unknown model %q", model)
	return nil
}

func TestCodecTable(t *testing.T) {
	rows := readCSV(t, "codec_params.csv")
	if len(rows) != 9 {
		t.Fatalf("%d default rows", len(rows))
	}
	for _, row := range rows {
		want := Codec{
			Ie: parse(t, row["Ie"]), Bpl: parse(t, row["Bpl"]),
			PtimeMs: parse(t, row["ptimeMs"]), LookaheadMs: parse(t, row["lookaheadMs"]),
			Grounding: row["mosGrounding"],
		}
		if name, got := (Table{}).Codec(row["codec"]); name != row["codec"] || got != want {
			t.Errorf("%s: row %s %+v, want %+v", row["codec"], name, got, want)
		}
	}
}
