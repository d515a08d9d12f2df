package handlers

import (
	"errors"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/normalizer"
)

// addressee is what the address of a webhook names beside the provider.
type addressee struct {
	accounts []Account // whose keys are tried, the provider's own settings first
	token    string    // URL token; "" for none
}

// addressee reads the part of the path behind the provider, ACCOUNT, TOKEN or
// ACCOUNT/TOKEN, and the password of basic authentication. On the address of an account
// its keys alone are tried, on that of the provider the keys of all.
func (p *Provider) addressee(c echo.Context) addressee {
	first, rest, _ := strings.Cut(plainParam(c, "token"), "/")
	for i, account := range p.Accounts {
		if account.Name == first && first != "" {
			return addressee{p.Accounts[i : i+1], withPassword(c, strings.TrimSuffix(rest, "/"))}
		}
	}
	return addressee{p.Accounts, withPassword(c, token(c, p.Accounts))}
}

// withPassword is the token of the path, or the password of basic authentication.
func withPassword(c echo.Context, token string) string {
	if token == "" {
		_, token, _ = c.Request().BasicAuth()
	}
	return token
}

// verifiable says whether one of the accounts has a verification secret.
func (to *addressee) verifiable(p normalizer.Provider) bool {
	for _, account := range to.accounts {
		if p.Verifiable(account.Keys) {
			return true
		}
	}
	return false
}

// refuses says before the body is read that no account will take the request.
func (to *addressee) refuses(p normalizer.Provider) bool {
	for _, account := range to.accounts {
		if !normalizer.Refused(p, to.token, account.Keys) {
			return false
		}
	}
	return true
}

// only is the name of the account that is addressed; "" where there is a choice.
func (to *addressee) only() string {
	if len(to.accounts) == 1 {
		return to.accounts[0].Name
	}
	return ""
}

// verify tries the keys of each account. The error is that of the account that came
// closest: a signature that is right and too old rather than a wrong one, and either
// rather than no secret at all.
func (to *addressee) verify(p normalizer.Provider, r *normalizer.Request) (hook normalizer.Webhook, err error) {
	err = normalizer.ErrOff
	for _, account := range to.accounts {
		if !p.Verifiable(account.Keys) {
			continue
		}
		one := *r
		one.Account = account.Name
		hook, oneErr := normalizer.Verify(p, &one, account.Keys)
		if oneErr == nil {
			return hook, nil
		}
		if errors.Is(err, normalizer.ErrOff) || errors.Is(err, normalizer.ErrSignature) && !errors.Is(oneErr, normalizer.ErrSignature) {
			err = oneErr
		}
	}
	return hook, err
}
