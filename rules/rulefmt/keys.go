package rulefmt

import (
	"maps"
	"slices"
)

// specimen has each mapping that the loader reads at least once, so that it
// tells which keys it takes.
const specimen = `
defaults: {severity: warning}
lookup:
  specimen: {file: specimen.csv, of: to}
rules:
  - name: specimen
    when: mos < 3.5
    route: {slack: "#a", outputs: a, mention: {critical: here}}
    severity: {critical: mos < 2}
    active: {days: mon-fri}
    tests:
      - name: specimen
        given: [{call: {mos: 3}}]
        expect: {state: none}
  - name: levels
    when: mos < 3.5
    active: {critical: Always}
routes:
  - slack: "#a"
    storm: {new: 10}
silences:
  - match: rule == "specimen"
`

// Keys are the keys of each mapping that the loader takes, by the name that problems call
// the mapping.
func Keys() map[string][]string {
	d, root := parseDocument("specimen", []byte(specimen))
	taken := map[string][]string{}
	d.Visited = func(what string, known keys) { taken[what] = slices.Sorted(maps.Keys(known)) }
	newLoader(d, "").file(root)
	return taken
}
