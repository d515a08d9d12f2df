package fetching

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
)

// observe counts an answer, and logs once that a provider refuses the credentials
// or does not answer, and once that it does again.
func (f *Fetch) observe(s *fetchAPI, ask normalizer.Ask, a fetch.Answer) {
	name := s.name
	f.cfg.Observe.Fetched(s.provider.Name, s.account, strings.ReplaceAll(string(a.Outcome), " ", "-"))
	f.cfg.Log.Debug("fetched", "provider", name, "call", ask.CallID, "outcome", string(a.Outcome), "reason", a.Reason)
	if s.client.Health().Circuit != fetch.Closed {
		if !s.down.Swap(true) {
			f.cfg.Log.Error("provider does not answer: its reports are fetched later", "provider", name, "reason", a.Reason, "effect", s.effect())
		}
	} else if s.down.Swap(false) {
		f.cfg.Log.Info("provider answers again", "provider", name)
	}
	switch a.Outcome {
	case fetch.Denied:
		if s.refusedAt.Swap(new(time.Now())) == nil {
			f.cfg.Log.Error("provider refuses the credentials: its reports are not fetched", "provider", name, "status", a.Status,
				"settings", strings.Join(s.settings(), ", "), "effect", s.effect())
		}
	case fetch.Ready, fetch.Partial, fetch.NotYet:
		if s.refusedAt.Swap(nil) != nil {
			f.cfg.Log.Info("provider accepts the credentials again", "provider", name)
		}
	case fetch.Broken:
		f.cfg.Log.Warn("answer of the provider cannot be read", "provider", name, "call", ask.CallID, "reason", a.Reason)
	}
}

// settings are the environment names of what the provider's REST needs.
func (s *fetchAPI) settings() []string {
	var names []string
	for _, name := range s.provider.REST.Needs(s.keys) {
		names = append(names, s.provider.EnvNameOf(s.account, name))
	}
	return names
}

// trouble is why a provider cannot be asked; "" if it can.
func (s *fetchAPI) trouble() string {
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
		calls := "calls"
		if n == 1 {
			calls = "call"
		}
		why += fmt.Sprintf("; %d %s cannot end", n, calls)
	}
	return why
}

// effect is what it means that the provider cannot be asked.
func (s *fetchAPI) effect() string {
	if s.provider.Unsigned {
		return "calls do not end: its webhooks are unsigned, and only the API can confirm them"
	}
	return "calls end without what only the API reports"
}

// held is how many calls of a provider that cannot sign wait for its API, which
// alone can confirm that they ended.
func (s *fetchAPI) held() int64 {
	if !s.provider.Unsigned {
		return 0
	}
	return s.pending.Load()
}

// Status is how fetching from one provider is going.
type Status struct {
	Provider string
	Account  string
	Pending  int64  // jobs that wait for their next attempt
	Trouble  string // why the provider cannot be asked; "" if it can
	Held     int64  // calls that wait for the API, which alone can confirm that they ended
	Unsigned bool   // the provider cannot sign its webhooks
}

// Status is how fetching is going, by the providers' names.
func (f *Fetch) Status() []Status {
	all := make([]Status, 0, len(f.apis))
	for _, name := range slices.Sorted(maps.Keys(f.apis)) {
		s := f.apis[name]
		all = append(all, Status{
			Provider: s.provider.Name, Account: s.account, Pending: s.pending.Load(), Trouble: s.trouble(), Held: s.held(), Unsigned: s.provider.Unsigned,
		})
	}
	return all
}

// Trouble is why the reports of an account cannot be fetched; "" for none.
func (f *Fetch) Trouble(provider, account string) string {
	if s := f.apis[call.Source(provider, account)]; s != nil {
		return s.trouble()
	}
	return ""
}
