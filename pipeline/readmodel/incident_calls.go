package readmodel

import (
	"context"

	"callwatch/handlers/backend"
)

// IncidentCalls lists the calls of an incident.
func (m *Model) IncidentCalls(ctx context.Context, incident string, q backend.CallQuery) (backend.CallPage, error) {
	s, err := checked(q)
	if err != nil {
		return backend.CallPage{}, err
	}
	s.add(`EXISTS (SELECT 1 FROM named n WHERE n."callId" = c."callId" AND n.provider = c.provider AND n.incident = ?)`, incident)
	return m.list(ctx, s)
}

// Contrast compares the calls of an incident with the others of its time.
func (m *Model) Contrast(context.Context, string) (backend.Contrast, error) {
	return backend.Contrast{}, backend.ErrNotFound
}
