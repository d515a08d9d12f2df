package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
)

// observe counts an answer, and tells once when a provider refuses the
// credentials and when it takes them again.
func (f *fetching) observe(s *restAPI, ask normalizer.Ask, a fetch.Answer) {
	name := s.provider.Name
	f.app.stats.fetches.WithLabelValues(name, strings.ReplaceAll(string(a.Outcome), " ", "-")).Inc()
	f.app.log.Debug("fetched", "provider", name, "call", ask.CallID, "outcome", string(a.Outcome), "reason", a.Reason)
	if s.client.Health().Circuit != fetch.Closed {
		if !s.down.Swap(true) {
			f.app.log.Error("provider does not answer: its reports are fetched later", "provider", name, "reason", a.Reason, "effect", s.effect())
		}
	} else if s.down.Swap(false) {
		f.app.log.Info("provider answers again", "provider", name)
	}
	switch a.Outcome {
	case fetch.Denied:
		if s.refusedAt.Swap(new(time.Now())) == nil {
			f.app.log.Error("provider refuses the credentials: its reports are not fetched", "provider", name, "status", a.Status,
				"settings", strings.Join(s.settings(), ", "), "effect", s.effect())
		}
	case fetch.Ready, fetch.Partial, fetch.NotYet:
		if s.refusedAt.Swap(nil) != nil {
			f.app.log.Info("provider takes the credentials again", "provider", name)
		}
	case fetch.Broken:
		f.app.log.Warn("answer of the provider makes no sense", "provider", name, "call", ask.CallID, "reason", a.Reason)
	}
}

// settings are the environment names of what the provider's REST needs.
func (s *restAPI) settings() []string {
	var names []string
	for _, name := range s.provider.REST.Needs(s.keys) {
		names = append(names, s.provider.EnvName(name))
	}
	return names
}

// trouble is why a provider cannot be asked, "" where it can.
func (s *restAPI) trouble() string {
	health, why := s.client.Health(), ""
	switch {
	case !health.Denied.IsZero():
		why = fmt.Sprintf("credentials refused since %s: %s", health.Denied.UTC().Format(time.RFC3339), strings.Join(s.settings(), ", "))
	case health.Circuit != fetch.Closed:
		why = "does not answer"
	default:
		return ""
	}
	if n := s.held(); n > 0 {
		why += fmt.Sprintf("; %s cannot end", plural(int(n), "call"))
	}
	return why
}

// effect is what it means that the provider cannot be asked.
func (s *restAPI) effect() string {
	if s.provider.Unsigned {
		return "calls do not end: its webhooks are unsigned, and the API alone can tell that they are true"
	}
	return "calls end without what only the API tells"
}

// held is how many calls of a provider that cannot sign wait for its API, which
// alone can tell that they have ended.
func (s *restAPI) held() int64 {
	if !s.provider.Unsigned {
		return 0
	}
	return s.pending.Load()
}

// troubles are the providers that cannot be asked, with the reason.
func (f *fetching) troubles() map[string]string {
	found := map[string]string{}
	for name, s := range f.apis {
		if why := s.trouble(); why != "" {
			found[name] = why
		}
	}
	return found
}

// trouble is why a provider's reports cannot be fetched; "" for none.
func (f *fetching) trouble(provider string) string {
	if s := f.apis[provider]; s != nil {
		return s.trouble()
	}
	return ""
}

// check is fetching as readiness shows it: degraded at worst, since webhooks are
// taken all the same.
func (f *fetching) check() (state handlers.State, cause string) {
	troubles := f.troubles()
	if len(troubles) == 0 {
		return handlers.Passing, ""
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(troubles)) {
		all = append(all, name+": "+troubles[name])
	}
	return handlers.Degraded, strings.Join(all, "; ")
}
