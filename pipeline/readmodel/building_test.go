package readmodel

import (
	"errors"
	"testing"

	"callwatch/handlers/backend"
)

// While the file is built every answer says so, and none does once it is whole.
func TestBuildingIsSaid(t *testing.T) {
	w := newWorld(t, 11)
	w.publish(200, 30)
	w.alert(30)
	ends, err := w.store.Ends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	msg, err := w.store.TransitionAt(t.Context(), ends.LastTransition)
	if err != nil {
		t.Fatal(err)
	}
	incident := readTransition(msg).parsed.Incident.ID
	said := func(m *Model) (said []bool) {
		calls, err1 := m.Calls(t.Context(), allCalls)
		stats, err2 := m.Stats(t.Context(), backend.StatsQuery{})
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		said = append(said, calls.Building, stats.Building)
		of, err1 := m.IncidentCalls(t.Context(), incident, allCalls)
		contrast, err2 := m.Contrast(t.Context(), incident)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		return append(said, of.Building, contrast.Building)
	}
	m := w.model("m")
	w.run(m, func() {
		w.current(m)
		for i, building := range said(m) {
			if building {
				t.Errorf("answer %d of a whole file says that it is being built", i)
			}
		}
		m.mu.Lock()
		m.status.Building = true
		m.mu.Unlock()
		for i, building := range said(m) {
			if !building {
				t.Errorf("answer %d does not say that the file is being built", i)
			}
		}
	})
}
