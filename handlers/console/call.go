package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/chart"
	"callwatch/handlers/console/format"
	"callwatch/rules"
)

// maxShownBody bounds how much of a raw body a page shows, in bytes.
const maxShownBody = 256 << 10

type callView struct {
	backend.CallHistory
	Groups  []factGroup
	Unknown []factGroup   // facts that nothing was reported of, names and meaning
	Stages  *chart.Stages // how long an agent takes to answer, on the whole
	Turns   *chart.Turns  // and in each turn
	Charts  []chart.Chart
	Verdict []verdictGroup
	Unsaid  string // why there are no explanations
}

// factGroup is some facts of a call under a heading.
type factGroup struct {
	Title string
	Facts []fact
}

// fact is one row of the field table with what is known.
type fact struct {
	Name, Value, Unit, Doc string
	Mark                   string // whose figure it is, where that is a question
}

// verdictGroup is the explanations that came out alike.
type verdictGroup struct {
	Title string
	Rules []rules.Explanation
}

func (c *console) call(ec echo.Context) error {
	k, _ := keyOf(ec.Param("provider") + "/" + ec.Param("id"))
	ctx := ec.Request().Context()
	stored, err := c.History.Call(ctx, k)
	if err != nil {
		return failed(err, "call")
	}
	v := callView{CallHistory: stored, Stages: chart.StagesOf(&stored.Call), Turns: chart.TurnsOf(&stored.Call)}
	v.Groups, v.Unknown = factsOf(&stored.Call)
	why, err := c.History.Explain(ctx, k)
	if err != nil {
		var f *failure
		if !errors.As(failed(err, "call"), &f) {
			return err
		}
		v.Unsaid = f.title + ". " + f.detail
	}
	v.Verdict = verdicts(why.Rules)
	v.Charts = chart.OfCall(&stored.Call, why.Rules, stored.Incidents)
	return c.page(ec, http.StatusOK, "call", view{Title: "Call " + format.Tail(k.CallID), At: "calls", Body: v})
}

// factsOf lists what is known of a call by the groups of the field table, and what is
// not.
func factsOf(e *call.Event) (groups, unknown []factGroup) {
	groups = []factGroup{{Title: "Identity"}, {Title: "Call"}, {Title: "Media"}, {Title: "Quality"}, {Title: "Voice agent"}, {Title: "Cost"}}
	unknown = slices.Clone(groups)
	first := map[string]int{"direction": 1, "codec": 2, "mos": 3, "turnCount": 4, "cost": 5}
	at := 0
	for _, f := range call.Fields() {
		at = max(at, first[f.Name])
		if f.Type == call.List || f.Type == call.Object {
			continue
		}
		if !f.Known(e) {
			unknown[at].Facts = append(unknown[at].Facts, fact{Name: f.Name, Doc: f.Doc})
			continue
		}
		shown := fact{Name: f.Name, Unit: f.Unit, Doc: f.Doc}
		switch v := f.Value(e).(type) {
		case string:
			shown.Value = v
		case []string:
			shown.Value = strings.Join(v, ", ")
		default:
			shown.Value = format.Value(v)
		}
		switch f.Name {
		case "mos":
			shown.Mark = format.Source(e.MOSSource)
		case "mosProvider":
			shown.Mark = "reported"
		case "mosEstimate", "rFactor", "mosMin", "mosP5", "mosBelow35Pct":
			shown.Mark = "estimated"
		}
		groups[at].Facts = append(groups[at].Facts, shown)
	}
	empty := func(g factGroup) bool { return len(g.Facts) == 0 }
	return slices.DeleteFunc(groups, empty), slices.DeleteFunc(unknown, empty)
}

// verdicts divides explanations by how they came out, matches first.
func verdicts(all []rules.Explanation) []verdictGroup {
	groups := []verdictGroup{{Title: "Matched"}, {Title: "Could not be judged"}, {Title: "Did not match"}, {Title: "Not concerned"}}
	order := map[rules.Verdict]int{rules.VerdictMatched: 0, rules.VerdictUnjudged: 1, rules.VerdictNotMatched: 2, rules.VerdictNotConcerned: 3}
	for i := range all {
		g := &groups[order[all[i].Verdict]]
		g.Rules = append(g.Rules, all[i])
	}
	return slices.DeleteFunc(groups, func(g verdictGroup) bool { return len(g.Rules) == 0 })
}

type bodyView struct {
	backend.Body
	Text    string
	Cut     int // bytes that are not shown
	Binary  bool
	Call    call.Key
	Trouble string // of a dead letter
}

// callBody shows a body of the call as text.
func (c *console) callBody(ec echo.Context) error {
	stored, err := c.History.Body(ec.Request().Context(), ec.Param("raw"))
	if err != nil {
		return failed(err, "body")
	}
	v := bodyOf(stored)
	return c.render(ec, http.StatusOK, "call", "body-text", v)
}

// bodyOf is a stored body as a page shows it: JSON indented, the rest as it came.
func bodyOf(b backend.Body) bodyView {
	v := bodyView{Body: b}
	shown := b.Bytes
	var indented bytes.Buffer
	if json.Indent(&indented, shown, "", "  ") == nil {
		shown = indented.Bytes()
	}
	if len(shown) > maxShownBody {
		v.Cut, shown = len(shown)-maxShownBody, shown[:maxShownBody]
		for len(shown) > 0 && !utf8.RuneStart(shown[len(shown)-1]) {
			shown = shown[:len(shown)-1]
		}
	}
	v.Text = strings.ToValidUTF8(string(shown), "\uFFFD")
	v.Binary = !utf8.Valid(shown)
	return v
}
