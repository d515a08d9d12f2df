package notifier

import "log/slog"

// ids are what the lines about a job are found by in the log: which message of
// which incident goes where, and the event that the incident shows.
func (j *job) ids() slog.Attr {
	in, message := &j.want.Incident, j.act.Line.Name
	if j.act.Line.Incident.ID != "" {
		in = &j.act.Line.Incident
	}
	if j.act.Do == edit {
		message = rootName
	}
	return slog.GroupAttrs("", slog.String("incident", j.page.Incident), slog.String("rule", in.Rule),
		slog.String("channel", j.page.Channel), slog.String("message", message), slog.Any("", &in.Latest.Call))
}
