package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/normalizer"
)

const (
	accountsKey = "accounts" // of a provider in callwatch.yaml
	maxAccount  = 32         // bytes of a name
	maxAccounts = 200        // of one provider
)

// accountName is what an account may be called: the name is part of addresses, of the
// names of variables, and of the identity of calls.
var accountName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Source is an account of a provider; one without a name is the provider's own settings.
type Source struct {
	Provider normalizer.Provider
	Account  string
}

// Name is the provider, or provider@account.
func (s Source) Name() string { return call.Source(s.Provider.Name, s.Account) }

// EnvName is the environment variable of one of the settings.
func (s Source) EnvName(setting string) string {
	return s.Provider.EnvNameOf(s.Account, setting)
}

// Webhook is the path to which the provider sends the account's webhooks.
func (s Source) Webhook() string {
	if s.Account == "" {
		return "/webhooks/" + s.Provider.Name
	}
	return "/webhooks/" + s.Provider.Name + "/" + s.Account
}

// Sources are the providers, each with its accounts behind it.
func (c *Config) Sources() []Source {
	var all []Source
	for _, p := range c.Registry {
		all = append(all, Source{Provider: p})
		for _, name := range c.AccountNames(p.Name) {
			all = append(all, Source{p, name})
		}
	}
	return all
}

// AccountNames are the accounts of a provider beside its own settings.
func (c *Config) AccountNames(provider string) []string {
	return slices.Sorted(maps.Keys(c.Accounts[provider]))
}

// HasAccount says whether a provider has the account; "" is its own settings.
func (c *Config) HasAccount(provider, account string) bool {
	_, ok := c.Accounts[provider][account]
	return ok || account == ""
}

// Keys are a provider's own settings as the normalizer takes them.
func (c *Config) Keys(p normalizer.Provider) normalizer.Keys { return c.KeysOf(Source{Provider: p}) }

// KeysOf are the settings of an account as the normalizer takes them.
func (c *Config) KeysOf(of Source) normalizer.Keys {
	settings := c.Providers[of.Provider.Name]
	if of.Account != "" {
		settings = c.Accounts[of.Provider.Name][of.Account]
	}
	k := normalizer.Keys{}
	for _, s := range of.Provider.AllSettings() {
		if values := settings[strings.ToLower(s.Name)].List(); len(values) > 0 {
			k[s.Name] = values
		}
	}
	return k
}

// Fetches reports whether reports of the account can be fetched.
func (c *Config) Fetches(of Source) bool {
	return of.Provider.REST != nil && len(of.Provider.REST.Missing(c.KeysOf(of))) == 0
}

// SetAccount sets one setting of an account, which is there from then on.
func (c *Config) SetAccount(provider, account, setting string, v Secret) {
	if c.Accounts == nil {
		c.Accounts = map[string]map[string]map[string]Secret{}
	}
	if c.Accounts[provider] == nil {
		c.Accounts[provider] = map[string]map[string]Secret{}
	}
	if c.Accounts[provider][account] == nil {
		c.Accounts[provider][account] = map[string]Secret{}
	}
	c.Accounts[provider][account][strings.ToLower(setting)] = v
}

// readAccountVariables reads the settings of the accounts of callwatch.yaml from the
// environment.
func (c *Config) readAccountVariables(vars map[string]string) {
	for _, of := range c.Sources() {
		if of.Account == "" || !accountName.MatchString(of.Account) {
			continue
		}
		for _, s := range of.Provider.AllSettings() {
			if v := vars[of.EnvName(s.Name)]; v != "" {
				c.SetAccount(of.Provider.Name, of.Account, s.Name, Secret(v))
				c.Given(of.path()+"."+strings.ToLower(s.Name), of.EnvName(s.Name))
			}
		}
	}
}

// Variables are the names of all environment variables that mean something here: those
// of every callwatch, and those of the accounts and workspaces.
func (c *Config) Variables(simulated func(provider string) []normalizer.Setting) map[string]bool {
	known := Variables(c.Registry, simulated)
	for _, of := range c.Sources() {
		for _, s := range of.Provider.AllSettings() {
			known[of.EnvName(s.Name)] = true
		}
	}
	c.visitWorkspaces(func(s setting) { known[s.env] = true })
	return known
}

// path is where callwatch.yaml has the settings.
func (s Source) path() string {
	if s.Account == "" {
		return "providers." + s.Provider.Name
	}
	return "providers." + s.Provider.Name + "." + accountsKey + "." + s.Account
}

// sourceFault is something that is wrong with a setting of a provider or an account.
func (c *Config) sourceFault(of Source, setting, text string) Fault {
	f := c.fault(of.path()+"."+strings.ToLower(setting), text, "")
	if f.File == "" {
		return named(of.EnvName(setting), "%s", text)
	}
	return f
}

// checkSettings finds settings of a provider or an account that can never work.
func (c *Config) checkSettings(of Source, settings map[string]Secret) Faults {
	var all Faults
	known := map[string]normalizer.Setting{}
	for _, s := range of.Provider.AllSettings() {
		known[strings.ToLower(s.Name)] = s
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		s, ok := known[key]
		if !ok {
			all = append(all, c.unknown(of.path()+"."+key, fmt.Sprintf("%s has no setting %q", of.Provider.Name, key), meant(key, slices.Sorted(maps.Keys(known)))))
			continue
		}
		for _, v := range settings[key].List() {
			if s.Check == nil {
				continue
			}
			if err := s.Check(v); err != nil {
				all = append(all, c.sourceFault(of, s.Name, err.Error()))
			}
		}
	}
	return all
}

// checkAccounts refuses accounts of a provider whose webhooks or calls could not be told
// apart.
func (c *Config) checkAccounts(p normalizer.Provider) Faults {
	var all Faults
	names := c.AccountNames(p.Name)
	if len(names) > maxAccounts {
		all = append(all, c.fault("providers."+p.Name+"."+accountsKey, fmt.Sprintf("%d accounts, more than %d", len(names), maxAccounts), ""))
	}
	for _, name := range names {
		of := Source{p, name}
		if len(name) > maxAccount || !accountName.MatchString(name) {
			what := fmt.Sprintf("%.40q is no name of an account: it has lower case letters, digits and single hyphens between them, at most %d", name, maxAccount)
			all = append(all, c.unknown(of.path(), what, ""))
			continue
		}
		all = append(all, c.checkSettings(of, c.Accounts[p.Name][name])...)
	}
	if len(names) == 0 {
		return all
	}
	return append(all, c.sharedSecrets(p)...)
}

// sharedSecrets refuses a verification secret that two accounts of a provider have: by
// which one a webhook was signed would not say whose it is.
func (c *Config) sharedSecrets(p normalizer.Provider) Faults {
	var all Faults
	type used struct{ setting, value string }
	owner := map[used]Source{}
	for _, account := range append([]string{""}, c.AccountNames(p.Name)...) {
		of := Source{p, account}
		keys := c.KeysOf(of)
		for _, s := range p.AllSettings() {
			if s.Use != normalizer.ForVerify {
				continue
			}
			for _, v := range keys[s.Name] {
				if first, _, _ := strings.Cut(v, "/"); s.Name == normalizer.URLToken && first != "" && c.HasAccount(p.Name, first) {
					all = append(all, c.sourceFault(of, s.Name, "the token begins with the name of an account: generate one, for instance by openssl rand -hex 24"))
				}
				had, shared := owner[used{s.Name, v}]
				if shared && had.Account != account {
					all = append(all, c.sourceFault(of, s.Name, "it is that of "+had.Name()+", too: webhooks of the two could not be told apart"))
				}
				owner[used{s.Name, v}] = of
			}
		}
	}
	return all
}
