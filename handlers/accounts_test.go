package handlers_test

import (
	"net/url"
	"testing"

	"callwatch/handlers"
	"callwatch/normalizer"
)

// A webhook is that of the account whose secret verifies it; on the address of an account
// its secrets alone are tried.
func TestAccountOfAWebhook(t *testing.T) {
	t.Parallel()
	all := providers()
	all[0].Accounts = []handlers.Account{
		{Name: "sales", Keys: normalizer.Keys{"KEY": {"key-of-sales"}}},
		{Name: "support", Keys: normalizer.Keys{normalizer.URLToken: {"token-of-support"}}},
		{Name: "silent"},
	}
	all[1].Accounts = []handlers.Account{{Name: "sales", Keys: normalizer.Keys{normalizer.URLToken: {"token-of-sales"}}}}
	store := new(memory)
	base := serve(t, handlers.Config{Providers: all, Store: store.store})
	for name, test := range map[string]struct {
		path, key string
		status    int
		account   string
	}{
		"own settings":                {"/webhooks/signing", secret, 200, ""},
		"by the secret":               {"/webhooks/signing", "key-of-sales", 200, "sales"},
		"own address":                 {"/webhooks/signing/sales", "key-of-sales", 200, "sales"},
		"own address, slash":          {"/webhooks/signing/sales/", "key-of-sales", 200, "sales"},
		"address of another":          {"/webhooks/signing/support", "key-of-sales", 401, ""},
		"provider's secret elsewhere": {"/webhooks/signing/sales", secret, 401, ""},
		"provider's token elsewhere":  {"/webhooks/signing/sales/" + url.PathEscape(urlToken), "", 401, ""},
		"account without a secret":    {"/webhooks/signing/silent", secret, 403, ""},
		"token on own address":        {"/webhooks/signing/support/token-of-support", "", 200, "support"},
		"token of an account":         {"/webhooks/signing/token-of-support", "", 200, "support"},
		"token of the provider":       {"/webhooks/signing/" + url.PathEscape(urlToken), "", 200, ""},
		"no such account":             {"/webhooks/signing/nobody", secret, 200, ""}, // a token that is none; the signature is right
		"token alone, account":        {"/webhooks/tokened/token-of-sales", "", 200, "sales"},
		"token alone, provider":       {"/webhooks/tokened/" + url.PathEscape(urlToken), "", 200, ""},
		"token alone, own address":    {"/webhooks/tokened/sales/token-of-sales", "", 200, "sales"},
		"token alone, wrong address":  {"/webhooks/tokened/sales/" + url.PathEscape(urlToken), "", 401, ""},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		if test.key != "" {
			header["X-Sig"] = sign(test.key, base+test.path, jsonBody)
		}
		before := len(store.all())
		if got := send(t, "POST", base+test.path, jsonBody, header); got.status != test.status {
			t.Errorf("%s: %d, want %d", name, got.status, test.status)
			continue
		}
		stored := store.all()[before:]
		if test.status != 200 && len(stored) == 0 {
			continue
		}
		if len(stored) != 1 || stored[0].Account != test.account {
			t.Errorf("%s: stored as %+v, want account %q", name, stored, test.account)
		}
	}
	seen := map[normalizer.Digest]string{}
	for _, b := range store.all() {
		if had, same := seen[b.Identity.Digest]; same && had != b.Account {
			t.Errorf("a request of %q is taken for one of %q that was sent again", b.Account, had)
		}
		seen[b.Identity.Digest] = b.Account
	}
}
