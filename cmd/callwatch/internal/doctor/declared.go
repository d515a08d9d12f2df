package doctor

import (
	"fmt"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
)

// diagnoseDeclared runs the tests of the declared providers.
func diagnoseDeclared(cfg config.Config) []finding {
	var found []finding
	for _, l := range cfg.Declared {
		d := l.Get()
		failed := 0
		for _, t := range d.Run() {
			if len(t.Faults) > 0 {
				failed++
			}
		}
		switch {
		case failed > 0:
			found = append(found, finding{d.Name, stateProblem, fmt.Sprintf("%s: %d of %s fail; see callwatch providers test", d.File, failed, cli.Plural(len(d.Tests), "test"))})
		case len(d.Tests) == 0:
			found = append(found, finding{d.Name, stateWarning, d.File + " has no tests"})
		default:
			found = append(found, finding{d.Name, stateOK, fmt.Sprintf("%s: %s pass", d.File, cli.Plural(len(d.Tests), "test"))})
		}
	}
	return found
}
