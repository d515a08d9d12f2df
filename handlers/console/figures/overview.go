// Package figures is what the console shows of the figures of many calls: the overview
// with its tiles, its map and its changes, and how the calls of an incident differ from
// the others. It asks the read model, and knows nothing of requests.
package figures

import (
	"cmp"
	"context"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"callwatch/handlers/backend"
	"callwatch/handlers/console/chart"
	"callwatch/handlers/console/period"
	"callwatch/handlers/wording"
	"callwatch/rules"
)

// Overview answers how the calls are, where it is bad, and which calls those are.
type Overview struct {
	Range     period.Range
	Ranges    []period.Link
	By        string // dimension of the heat map
	Bys       []period.Link
	Self      string // address of this view
	Open      []rules.Incident
	More      int // open incidents that are not listed
	Shadow    int // open incidents of rules in shadow
	Tiles     []tile
	Heat      heatMap
	Changes   []changeView
	Providers []providerView
	Calls     string // address of the list
	Model     backend.ModelStatus
	Off       bool
	Problem   string // why there are no figures
	Empty     bool   // no event is stored
	Unsigned  bool   // webhooks of a provider without a secret are taken
	Compared  bool   // there were calls in the period before
}

// tile is one figure of the calls with its course and its change.
type tile struct {
	Title, Value, Note string
	Change, Tone       string // against the period before; better, worse or ""
	Spark              string
	Href               string
}

type heatMap struct {
	Columns []heatColumn
	Rows    []heatRow
	Omitted int
}

type heatColumn struct{ Title string }

type heatRow struct {
	Provider, Href string
	Cells          []heatCell
}

// heatCell is the share of bad calls of one provider and value.
type heatCell struct {
	Share, Note, Class, Href string
	Label                    string // what a screen reader says before
}

type changeView struct {
	Dimension, Value, Href string
	Now, Before            string
	NowNote                string
}

type providerView struct {
	backend.ProviderStatus
	Figures  backend.Figures
	Bad      string
	Class    string
	Href     string
	Webhook  string // path that its webhooks are sent to
	Reports  []string
	Missing  []string
	HasCalls bool
}

const (
	maxOpenShown  = 4
	maxHeatValues = 12
	minForShare   = 5 // measured calls below which a share is shown without a colour
)

// New is the overview of a time, without figures. By is the dimension of its map,
// region for one that it does not have.
func New(r period.Range, by string) *Overview {
	v := &Overview{Range: r, By: "region"}
	if by != "provider" && slices.Contains(backend.Dimensions(), by) {
		v.By = by
	}
	to := func(r period.Range, by string) string {
		q := r.Query()
		if by != "region" {
			q.Set("by", by)
		}
		return "/?" + q.Encode()
	}
	for _, name := range period.Names() {
		v.Ranges = append(v.Ranges, period.Link{Name: name, Href: to(period.Range{Name: name}, v.By), On: v.Range.Name == name})
	}
	for _, by := range backend.Dimensions() {
		if by != "provider" {
			v.Bys = append(v.Bys, period.Link{Name: by, Href: to(v.Range, by), On: v.By == by})
		}
	}
	v.Self, v.Calls = to(v.Range, v.By), "/calls?"+v.Range.Query().Encode()
	return v
}

// ShowIncidents keeps those that alert, the most severe first. Adopted ones are
// shown with the incident that adopted them.
func (v *Overview) ShowIncidents(open []rules.Incident) {
	for _, in := range open {
		switch {
		case in.Mode == rules.Shadow:
			v.Shadow++
		case in.Parent == "":
			v.Open = append(v.Open, in)
		}
	}
	slices.SortFunc(v.Open, func(a, b rules.Incident) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), b.OpenedAt.Compare(a.OpenedAt))
	})
	v.More = max(0, len(v.Open)-maxOpenShown)
	v.Open = v.Open[:len(v.Open)-v.More]
}

func rank(s rules.Severity) int {
	return slices.Index([]rules.Severity{rules.Critical, rules.Warning, rules.Info}, s)
}

// Ask asks the read model for all that the page shows.
func (v *Overview) Ask(ctx context.Context, m *backend.ReadModel, known []backend.ProviderStatus) error {
	if m.ModelStatus != nil {
		v.Model = m.ModelStatus()
	}
	q := backend.StatsQuery{Since: v.Range.Since, Until: v.Range.Until, Compare: true}
	all := q
	all.By, all.Bucket = "provider", v.Range.Bucket()
	total, err := m.Stats(ctx, all)
	if err != nil {
		return err
	}
	v.Compared = total.Before != nil && total.Before.Calls > 0
	v.Tiles = tilesOf(&total, v.Calls)
	v.ShowProviders(known, total.Groups)
	heat := q
	heat.By, heat.ByProvider, heat.Compare, heat.CountsOnly = v.By, true, false, true
	cells, err := m.Stats(ctx, heat)
	if err != nil {
		return err
	}
	v.Heat = v.heatOf(cells.Groups, cells.Omitted)
	if !v.Compared {
		return nil
	}
	changes, err := m.Changes(ctx, q)
	if err != nil {
		return err
	}
	for _, ch := range changes[:min(5, len(changes))] {
		if ch.Lift <= 0 {
			continue
		}
		v.Changes = append(v.Changes, changeView{
			Dimension: ch.Dimension, Value: cmp.Or(ch.Value, "unknown"), Href: v.callsOf("", ch.Dimension, ch.Value),
			Now: share(ch.Now.Bad), NowNote: measured(ch.Now.Bad), Before: share(ch.Before.Bad),
		})
	}
	return nil
}

// share writes the share among the calls of which it is known, as rules have it: the
// others are blind, and coverage says how many they are.
func share(r backend.Rate) string {
	if r.OfKnown == nil {
		return ""
	}
	return wording.Percent(*r.OfKnown)
}

// measured says of how many calls a rate is.
func measured(r backend.Rate) string {
	if r.Known == r.Of {
		return wording.Amount(r.True) + " of " + wording.Amount(r.Of)
	}
	return wording.Amount(r.True) + " of " + wording.Amount(r.Known) + " measured"
}

// dimensionIs is the filter for one value of a dimension.
func dimensionIs(dimension, value string) string {
	is := " == nil"
	if value != "" {
		is = " == " + strconv.Quote(value)
	}
	switch {
	case dimension == "agent" && value == "":
		return "agentName == nil && agentId == nil"
	case dimension == "agent":
		return "(agentName" + is + " || agentId" + is + ")"
	case dimension == "country": // of the other side
		return `(direction == "inbound" && fromCountry` + is + ` || direction != "inbound" && toCountry` + is + ")"
	}
	return dimension + is
}

// callsOf is the address of the calls of a provider and a value, worst first.
func (v *Overview) callsOf(provider, dimension, value string) string {
	q := v.Range.Query()
	var conditions []string
	if provider != "" {
		conditions = append(conditions, dimensionIs("provider", provider))
	}
	if dimension != "" {
		conditions = append(conditions, dimensionIs(dimension, value))
	}
	q.Set("filter", strings.Join(conditions, " && "))
	q.Set("sort", "mos")
	return "/calls?" + q.Encode()
}

// tilesOf are the figures of all calls.
func tilesOf(s *backend.Stats, calls string) []tile {
	now, before := &s.Total, s.Before
	if before == nil {
		before = &backend.Figures{}
	}
	series := func(of func(f *backend.Figures) *float64) string {
		values := make([]*float64, len(s.Series))
		for i := range s.Series {
			values[i] = of(&s.Series[i].Figures)
		}
		return chart.Sparkline(values)
	}
	number := func(n int64) *float64 { f := float64(n); return &f }
	quantity := func(title string, of func(f *backend.Figures) *float64, n func(f *backend.Figures) int64, decimals int, unit, better, order string) tile {
		t := tile{Title: title, Value: wording.Decimals(of(now), decimals, unit), Spark: series(of), Href: calls + order}
		if k := n(now); k > 0 && k < now.Calls {
			t.Note = wording.Amount(k) + " of " + wording.Amount(now.Calls) + " calls"
		}
		if unit == " %" {
			unit = " pp"
		}
		t.Change, t.Tone = changed(of(now), of(before), decimals, unit, better)
		return t
	}
	rate := func(title string, of func(f *backend.Figures) backend.Rate, better, more string) tile {
		r, b := of(now), of(before)
		t := tile{Title: title, Value: share(r), Href: calls + more, Spark: series(func(f *backend.Figures) *float64 { return of(f).OfKnown })}
		if r.Of > 0 {
			t.Note = measured(r)
		}
		t.Change, t.Tone = changed(percentOf(r.OfKnown), percentOf(b.OfKnown), 1, " pp", better)
		return t
	}
	count := tile{Title: "Calls", Value: wording.Amount(now.Calls), Href: calls, Spark: series(func(f *backend.Figures) *float64 { return number(f.Calls) })}
	if before.Calls > 0 {
		count.Change = grown(float64(now.Calls), float64(before.Calls))
	}
	tiles := []tile{
		count,
		rate("Answered (ASR)", func(f *backend.Figures) backend.Rate { return f.Answered }, "up", ""),
		quantity("MOS median", func(f *backend.Figures) *float64 { return f.MOS.Median }, func(f *backend.Figures) int64 { return f.MOS.Known }, 2, "", "up", "&sort=mos"),
		quantity("MOS p5", func(f *backend.Figures) *float64 { return f.MOS.P5 }, func(f *backend.Figures) int64 { return f.MOS.Known }, 2, "", "up", "&sort=mos"),
		rate("MOS below 3.5", func(f *backend.Figures) backend.Rate { return f.Bad }, "down", "&filter="+url.QueryEscape("mos < 3.5")+"&sort=mos"),
		quantity("Packet loss p95", func(f *backend.Figures) *float64 { return f.LossPct.P95 }, func(f *backend.Figures) int64 { return f.LossPct.Known }, 2, " %", "down", "&sort=-packetLossPct"),
		quantity("Agent turn p95", func(f *backend.Figures) *float64 { return f.TurnMs.P95 }, func(f *backend.Figures) int64 { return f.TurnMs.Known }, 0, " ms", "down", "&sort=-turnLatencyMs"),
		rate("Failed calls", func(f *backend.Figures) backend.Rate { return f.Failed }, "down", "&filter="+url.QueryEscape(`status == "failed"`)),
	}
	return append(tiles, costTile(now, before, calls))
}

func percentOf(v *float64) *float64 {
	if v == nil {
		return nil
	}
	p := *v * 100
	return &p
}

// costTile is what the calls cost, in each currency.
func costTile(now, before *backend.Figures, calls string) tile {
	t := tile{Title: "Cost", Href: calls}
	var parts []string
	known := int64(0)
	for _, c := range now.Costs {
		parts = append(parts, strings.TrimSpace(strconv.FormatFloat(c.Sum, 'f', 2, 64)+" "+c.Currency))
		known += c.Known
		if len(now.Costs) == 1 && len(before.Costs) == 1 && before.Costs[0].Currency == c.Currency && before.Costs[0].Sum > 0 {
			t.Change = grown(c.Sum, before.Costs[0].Sum)
		}
	}
	t.Value = strings.Join(parts, ", ")
	if known > 0 && known < now.Calls {
		t.Note = wording.Amount(known) + " of " + wording.Amount(now.Calls) + " calls"
	}
	return t
}

// changed is the difference to the period before; better is the direction that is
// an improvement.
func changed(now, before *float64, decimals int, unit, better string) (text, tone string) {
	if now == nil || before == nil {
		return "", ""
	}
	d := *now - *before
	if math.Abs(d) < math.Pow10(-decimals)/2 {
		return "no change", ""
	}
	tone = "worse"
	if d > 0 == (better == "up") {
		tone = "better"
	}
	return signed(d, decimals) + unit, tone
}

// grown is by how much an amount grew or fell.
func grown(now, before float64) string {
	percent := (now - before) / before * 100
	if math.Abs(percent) < 0.5 {
		return "no change"
	}
	return signed(percent, 0) + " %"
}

func signed(v float64, decimals int) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	switch {
	case v < 0:
		return "−" + s
	case v > 0:
		return "+" + s
	}
	return s
}

// shareBand is how bad a share of bad calls is.
func shareBand(r backend.Rate) string {
	switch {
	case r.OfKnown == nil:
		return "none"
	case r.Known < minForShare:
		return "few"
	case *r.OfKnown <= 0.01:
		return "good"
	case *r.OfKnown <= 0.05:
		return "fair"
	case *r.OfKnown <= 0.10:
		return "poor"
	}
	return "bad"
}

// heatOf lays groups out by provider and value, values with the most calls first.
func (v *Overview) heatOf(groups []backend.Group, omitted int) (h heatMap) {
	calls, at := map[string]int64{}, map[[2]string]*backend.Figures{}
	var providers []string
	for i := range groups {
		g := &groups[i]
		calls[g.Value] += g.Figures.Calls
		at[[2]string{g.Provider, g.Value}] = &g.Figures
		if !slices.Contains(providers, g.Provider) {
			providers = append(providers, g.Provider)
		}
	}
	var values []string
	for value := range calls {
		values = append(values, value)
	}
	slices.SortFunc(values, func(a, b string) int {
		return cmp.Or(cmp.Compare(bit(a == ""), bit(b == "")), cmp.Compare(calls[b], calls[a]), cmp.Compare(a, b))
	})
	h.Omitted = omitted + max(0, len(values)-maxHeatValues)
	values = values[:min(len(values), maxHeatValues)]
	for _, value := range values {
		h.Columns = append(h.Columns, heatColumn{Title: cmp.Or(value, "unknown")})
	}
	slices.Sort(providers)
	for _, p := range providers {
		row := heatRow{Provider: p, Href: v.callsOf(p, "", "")}
		for _, value := range values {
			f := at[[2]string{p, value}]
			if f == nil {
				row.Cells = append(row.Cells, heatCell{})
				continue
			}
			cell := heatCell{Share: share(f.Bad), Class: shareBand(f.Bad), Href: v.callsOf(p, v.By, value)}
			cell.Note = measured(f.Bad)
			if cell.Share == "" {
				cell.Share, cell.Note = "no MOS", wording.Amount(f.Calls)+" calls"
			}
			cell.Label = p + ", " + v.By + " " + cmp.Or(value, "unknown") + ":"
			row.Cells = append(row.Cells, cell)
		}
		h.Rows = append(h.Rows, row)
	}
	return h
}

// ShowProviders joins what is known of webhooks with the figures of the calls.
func (v *Overview) ShowProviders(known []backend.ProviderStatus, groups []backend.Group) {
	v.Providers = nil
	figures := map[string]*backend.Figures{}
	for i := range groups {
		figures[groups[i].Value] = &groups[i].Figures
	}
	for _, p := range known {
		row := providerView{ProviderStatus: p, Href: v.callsOf(p.Name, "", ""), Webhook: "/webhooks/" + p.Name}
		if f := figures[p.Name]; f != nil && f.Calls > 0 {
			row.Figures, row.HasCalls = *f, true
			row.Bad, row.Class = share(f.Bad), shareBand(f.Bad)
			for _, figure := range []struct {
				name  string
				known int64
			}{{"MOS", f.MOS.Known}, {"loss", f.LossPct.Known}, {"jitter", f.JitterMs.Known}, {"turn time", f.TurnMs.Known}, {"duration", f.Duration.Known}, {"cost", costKnown(f)}} {
				if figure.known > 0 {
					row.Reports = append(row.Reports, figure.name+" "+wording.Percent(float64(figure.known)/float64(f.Calls)))
				} else {
					row.Missing = append(row.Missing, figure.name)
				}
			}
		}
		v.Providers = append(v.Providers, row)
	}
	slices.SortStableFunc(v.Providers, func(a, b providerView) int { return cmp.Compare(b.Figures.Calls, a.Figures.Calls) })
}

func costKnown(f *backend.Figures) (n int64) {
	for _, c := range f.Costs {
		n += c.Known
	}
	return n
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
