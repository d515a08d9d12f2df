package slackfake

import "fmt"

const (
	maxTitle    = 50
	maxAxis     = 50
	maxCategory = 20
	maxPoints   = 20
	maxSeries   = 6
	maxRows     = 100
	maxCells    = 20
	maxOptions  = 100
	maxOption   = 75
)

// chart of a data_visualization block: those with axes, the only ones known here.
type chart struct {
	Type   string `json:"type"`
	Series []struct {
		Name string `json:"name"`
		Data []struct {
			Label string  `json:"label"`
			Value float64 `json:"value"`
		} `json:"data"`
	} `json:"series"`
	Axis struct {
		Categories []string `json:"categories"`
		X          string   `json:"x_label"`
		Y          string   `json:"y_label"`
	} `json:"axis_config"`
}

type cell struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func (b *block) chartProblems() []string {
	var ps []string
	c := &b.Chart
	if n := length(b.Title); n == 0 || n > maxTitle {
		ps = append(ps, fmt.Sprintf("title of %d characters, 1 to %d", n, maxTitle))
	}
	if c.Type != "line" && c.Type != "bar" && c.Type != "area" {
		ps = append(ps, fmt.Sprintf("chart of unknown type %q", c.Type))
	}
	if len(c.Series) == 0 || len(c.Series) > maxSeries || length(c.Axis.X) > maxAxis || length(c.Axis.Y) > maxAxis {
		ps = append(ps, "chart without series, with too many, or with long axis labels")
	}
	known := map[string]bool{}
	for _, name := range c.Axis.Categories {
		if known[name] || name == "" || length(name) > maxCategory {
			ps = append(ps, fmt.Sprintf("category %q is empty, too long or there twice", name))
		}
		known[name] = true
	}
	for _, s := range c.Series {
		if len(s.Data) == 0 || len(s.Data) > maxPoints || len(s.Data) != len(c.Axis.Categories) {
			ps = append(ps, fmt.Sprintf("series of %d points for %d categories, 1 to %d", len(s.Data), len(c.Axis.Categories), maxPoints))
		}
		for _, p := range s.Data {
			if !known[p.Label] {
				ps = append(ps, fmt.Sprintf("point %q is no category", p.Label))
			}
		}
	}
	return ps
}

func (b *block) tableProblems() []string {
	var ps []string
	if len(b.Rows) == 0 || len(b.Rows) > maxRows {
		ps = append(ps, fmt.Sprintf("%d rows, 1 to %d", len(b.Rows), maxRows))
	}
	for _, row := range b.Rows {
		if len(row) == 0 || len(row) > maxCells || len(row) != len(b.Rows[0]) {
			ps = append(ps, fmt.Sprintf("row of %d cells, 1 to %d and all the same", len(row), maxCells))
		}
		for _, c := range row {
			if c.Type != "raw_text" || c.Text == "" {
				ps = append(ps, "cell is empty or no raw_text")
			}
		}
	}
	return ps
}

func (e *element) menuProblems() []string {
	ps := e.Placeholder.problems("plain_text", maxHeader)
	if len(e.Options) == 0 || len(e.Options) > maxOptions {
		ps = append(ps, fmt.Sprintf("menu of %d options, 1 to %d", len(e.Options), maxOptions))
	}
	for _, o := range e.Options {
		ps = append(ps, o.Text.problems("plain_text", maxOption)...)
		if o.Value == "" || length(o.Value) > maxHeader {
			ps = append(ps, "option without value, or too long")
		}
	}
	return ps
}
