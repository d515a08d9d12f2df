package declared

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"callwatch/normalizer/declared/expression"
	"callwatch/normalizer/declared/signing"

	"github.com/goccy/go-yaml/ast"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/yamlfile"
)

const (
	longestTolerance = 24 * time.Hour
	longestDelay     = time.Hour
	usualTolerance   = 5 * time.Minute
)

func (l *loader) readVerify(n ast.Node) {
	if s, ok := n.(*ast.StringNode); ok {
		if s.Value != "none" {
			l.Add(yamlfile.At(n), "wrong-type", "verify is a mapping of a scheme, or none", "such as {hmac: {secret: SIGNING_SECRET, header: X-Signature}}")
		}
		return
	}
	read := func(n ast.Node) {
		l.Entries(n, "verify", func(kind string, at yamlfile.Pos, value ast.Node) {
			if !slices.Contains(signing.Kinds(), kind) {
				known := yamlfile.Keys{}
				for _, k := range signing.Kinds() {
					known[k] = nil
				}
				l.Add(at, "unknown-key", fmt.Sprintf("there is no scheme %q", kind), cmp.Or(yamlfile.DidYouMean(kind, known), "one of: "+strings.Join(signing.Kinds(), ", ")))
				return
			}
			if s := l.readScheme(kind, value); s != nil && l.Within(value, len(l.d.verify), maxSchemes, "schemes") {
				l.d.verify = append(l.d.verify, *s)
			}
		})
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		l.List(n, "verify", read)
		return
	}
	read(n)
}

// readScheme reads one scheme; each kind has keys of its own.
func (l *loader) readScheme(kind string, n ast.Node) *signing.Scheme {
	s := &signing.Scheme{Kind: kind, Encoding: "hex"}
	secret := func(n ast.Node) { s.Setting = l.setting(n, "secret", normalizer.ForVerify) }
	header := func(n ast.Node) {
		name, ok := l.Text(n, "header")
		if s.Header = name; ok && !headerForm.MatchString(name) {
			l.Add(yamlfile.At(n), "bad-header", fmt.Sprintf("%q is not the name of a header", name), "")
		}
	}
	prefix := func(n ast.Node) { s.Prefix, _ = l.Text(n, "prefix") }
	tolerance := func(n ast.Node) { s.Tolerance = l.span(n, "tolerance", longestTolerance) }
	algorithm := func(words ...string) func(ast.Node) {
		return func(n ast.Node) { s.Algorithm, _ = l.Word(n, "algorithm", words...) }
	}
	var format, signed, stamp ast.Node
	var keys yamlfile.Keys
	switch kind {
	case signing.HMAC, signing.Ed25519:
		s.Algorithm = "sha256"
		keys = yamlfile.Keys{
			"secret": secret, "header": header, "prefix": prefix, "tolerance": tolerance,
			"encoding":  func(n ast.Node) { s.Encoding, _ = l.Word(n, "encoding", "hex", "base64", "base64url") },
			"format":    func(n ast.Node) { format = n },
			"signed":    func(n ast.Node) { signed = n },
			"timestamp": func(n ast.Node) { stamp = n },
			"key":       func(n ast.Node) { s.Key, _ = l.Word(n, "key", "text", "hex", "base64") },
		}
		if kind == signing.HMAC {
			keys["algorithm"] = algorithm("sha1", "sha256", "sha384", "sha512")
		} else {
			s.Key = "base64"
		}
	case signing.JWT:
		s.Header, s.Prefix, s.Algorithm = "Authorization", "Bearer ", "HS256"
		keys = yamlfile.Keys{
			"secret": secret, "header": header, "prefix": prefix, "tolerance": tolerance, "algorithm": algorithm("HS256", "HS384", "HS512"),
			"body": func(n ast.Node) { s.Claim, _ = l.Text(n, "body") },
		}
	case signing.Standard:
		s.Header, s.Encoding, s.Algorithm, s.Key, s.KeyPrefix, s.Tolerance = "webhook-signature", "base64", "sha256", "base64", "whsec_", usualTolerance
		s.Signed = []expression.Piece{{Name: "id"}, {Literal: "."}, {Name: "timestamp"}, {Literal: "."}, {Name: "body"}}
		keys = yamlfile.Keys{"secret": secret, "tolerance": tolerance}
	case signing.Basic:
		s.Header = "Authorization"
		keys = yamlfile.Keys{"secret": secret, "user": func(n ast.Node) { s.User = l.setting(n, "user", normalizer.ForVerify) }}
	case signing.Token:
		s.Header, s.Prefix = "Authorization", "Bearer "
		keys = yamlfile.Keys{"secret": secret, "prefix": prefix, "header": func(n ast.Node) { s.Prefix = ""; header(n) }}
	}
	l.Mapping(n, kind, keys)
	l.readSigned(s, format, signed, stamp)
	switch {
	case l.Problems.Errors():
		return nil
	case s.Setting == "":
		l.Add(yamlfile.At(n), "no-secret", kind+" needs a secret", "add secret: and the name of a setting such as SIGNING_SECRET")
		return nil
	case s.Header == "":
		l.Add(yamlfile.At(n), "no-header", kind+" needs a header", "add header: and the name of the header with the signature")
		return nil
	case kind == signing.JWT && s.Claim == "":
		l.Add(yamlfile.At(n), "no-body", "the token has to cover the body", "add body: and the claim with its digest, such as payload_hash")
		return nil
	}
	return s
}

// readSigned reads how the header reads, and what was signed.
func (l *loader) readSigned(s *signing.Scheme, format, signed, stamp ast.Node) {
	if s.Kind != signing.HMAC && s.Kind != signing.Ed25519 {
		return
	}
	template := func(n ast.Node, what string, known ...string) []expression.Piece {
		if n == nil {
			return nil
		}
		text, ok := l.Text(n, what)
		if !ok {
			return nil
		}
		t, err := expression.TemplateOf(text, known)
		if err != nil {
			l.Add(yamlfile.At(n), "bad-template", what+": "+err.Error(), "")
		}
		return t
	}
	s.Format = template(format, "format", "signature", "timestamp", "id", "nonce")
	if format != nil && s.Format != nil && !expression.Uses(s.Format, "signature") {
		l.Add(yamlfile.At(format), "bad-template", "format has no {signature}", `such as "t={timestamp},v1={signature}"`)
	}
	if stamp != nil {
		l.Mapping(stamp, "timestamp", yamlfile.Keys{
			"header": func(n ast.Node) { s.Stamp, _ = l.Text(n, "header") },
			"unit": func(n ast.Node) {
				word, _ := l.Word(n, "unit", "s", "ms")
				s.Unit = map[string]time.Duration{"s": time.Second, "ms": time.Millisecond}[word]
			},
		})
	}
	known := []string{"body", "url", "path", "form", "sha256", "method", "timestamp", "id", "nonce"}
	if s.Signed = template(signed, "signed", known...); signed == nil {
		s.Signed = []expression.Piece{{Name: "body"}}
	}
	if !s.CoversBody() && signed != nil && s.Signed != nil {
		l.Add(yamlfile.At(signed), "bad-template", "what is signed does not cover the body", "name {body}, {form} or {sha256}")
	}
	has := s.Stamp != "" || expression.Uses(s.Format, "timestamp")
	at := signed
	if at == nil {
		at = format
	}
	switch {
	case expression.Uses(s.Signed, "timestamp") && !has:
		l.Add(yamlfile.At(at), "no-timestamp", "{timestamp} is signed, but nothing says where it is", "add timestamp: {header: NAME}, or {timestamp} to format:")
	case expression.Uses(s.Signed, "timestamp") && s.Tolerance == 0:
		s.Tolerance = usualTolerance
	case !expression.Uses(s.Signed, "timestamp") && s.Tolerance > 0 && at != nil:
		l.Add(yamlfile.At(at), "no-timestamp", "tolerance needs a signed {timestamp}", "")
	}
	for _, p := range []string{"id", "nonce"} {
		if expression.Uses(s.Signed, p) && !expression.Uses(s.Format, p) {
			l.Add(yamlfile.At(at), "bad-template", "{"+p+"} is signed, but format does not have it", "")
		}
	}
}

// template reads a template whose names are given, or settings in upper case.
func (l *loader) template(n ast.Node, what string, known []string) []expression.Piece {
	s, ok := l.Text(n, what)
	if !ok {
		return nil
	}
	t, err := expression.TemplateOf(s, []string{"*"})
	for _, p := range t {
		switch {
		case p.Name == "" || slices.Contains(known, p.Name):
		case settingForm.MatchString(p.Name):
			l.use(p.Name, normalizer.ForREST)
			l.need(p.Name)
		default:
			_, err = expression.TemplateOf(s, known)
		}
	}
	if err != nil {
		l.Add(yamlfile.At(n), "bad-template", what+": "+err.Error(), "")
		return nil
	}
	return t
}

func (l *loader) need(setting string) {
	if f := l.d.fetch; !slices.Contains(f.needs, setting) {
		f.needs = append(f.needs, setting)
	}
}

func (l *loader) readFetch(n ast.Node) {
	f := &fetch{rate: 2, delays: []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}, after: []call.Kind{call.Ended}}
	l.d.fetch = f
	l.Mapping(n, "fetch", yamlfile.Keys{
		"base": func(n ast.Node) {
			f.base = l.template(n, "base", nil)
			if text, _ := expression.Expand(f.base, func(string) string { return "x" }); f.base != nil {
				if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
					l.Add(yamlfile.At(n), "bad-address", "base is no https address", "such as https://api.example.com/v1")
				}
			}
		},
		"method": func(n ast.Node) {
			if f.method, _ = l.Word(n, "method", "GET", "POST"); f.method == "GET" {
				f.method = ""
			}
		},
		"path":  func(n ast.Node) { f.path = l.pathTemplate(n, fetchNames()) },
		"query": func(n ast.Node) { f.query = l.params(n, fetchNames()) },
		"body":  func(n ast.Node) { f.body = string(expression.Encode(l.Anything(n))) },
		"auth":  func(n ast.Node) { l.readAuth(n, f) },
		"rate":  func(n ast.Node) { f.rate = l.figure(n, "rate", 0.01, 1000) },
		"delays": func(n ast.Node) {
			f.delays = nil
			l.List(n, "delays", func(n ast.Node) { f.delays = append(f.delays, l.span(n, "delays", longestDelay)) })
			if len(f.delays) == 0 || !slices.IsSorted(f.delays) {
				l.Add(yamlfile.At(n), "bad-duration", "delays go from the shortest to the longest", "such as [5s, 15s, 1m]")
			}
		},
		"after": func(n ast.Node) {
			f.after = nil
			for _, word := range l.Texts(n, "after") {
				if !slices.Contains([]string{"progress", "stats", "ended", "report"}, word) {
					l.Add(yamlfile.At(n), "unknown-word", fmt.Sprintf("after: %q is no kind of event", word), "progress, stats, ended or report")
				}
				f.after = append(f.after, call.Kind(word))
			}
		},
		"pending": func(n ast.Node) { f.pending = l.expression(n, "pending") },
		"list":    func(n ast.Node) { f.list = l.readList(n) },
	})
	for _, need := range []struct {
		key     string
		missing bool
	}{{"base", f.base == nil}, {"path", f.path == nil}, {"auth", f.auth.kind == ""}} {
		if need.missing && !l.Problems.Errors() {
			l.Add(yamlfile.At(n), "no-"+need.key, "fetch needs "+need.key, map[string]string{
				"base": "such as https://api.example.com/v1", "path": "such as /calls/{callId}", "auth": "such as {bearer: API_KEY}",
			}[need.key])
		}
	}
}

func (l *loader) pathTemplate(n ast.Node, known []string) []expression.Piece {
	t := l.template(n, "path", known)
	if len(t) > 0 && (!strings.HasPrefix(t[0].Literal, "/") || strings.ContainsAny(t[0].Literal, "?# ")) {
		l.Add(yamlfile.At(n), "bad-path", "a path begins with / and has no query", "parameters are under query:")
	}
	return t
}

func (l *loader) params(n ast.Node, known []string) []param {
	var out []param
	l.Entries(n, "query", func(name string, _ yamlfile.Pos, value ast.Node) {
		if t := l.template(value, name, known); t != nil {
			out = append(out, param{name, t})
		}
	})
	return out
}

func (l *loader) readAuth(n ast.Node, f *fetch) {
	secret := func(kind string, to *string) func(ast.Node) {
		return func(n ast.Node) {
			f.auth.kind = cmp.Or(kind, f.auth.kind)
			if *to = l.setting(n, cmp.Or(kind, "auth"), normalizer.ForREST); *to != "" {
				l.settings[*to].Secret = l.settings[*to].Secret || to == &f.auth.setting
				l.need(*to)
			}
		}
	}
	l.Mapping(n, "auth", yamlfile.Keys{
		"bearer": secret("bearer", &f.auth.setting),
		"basic":  secret("basic", &f.auth.setting),
		"user":   secret("", &f.auth.user),
		"secret": secret("", &f.auth.setting),
		"prefix": func(n ast.Node) { f.auth.prefix, _ = l.Text(n, "prefix") },
		"header": func(n ast.Node) {
			f.auth.kind = "header"
			if f.auth.header, _ = l.Text(n, "header"); !headerForm.MatchString(f.auth.header) {
				l.Add(yamlfile.At(n), "bad-header", fmt.Sprintf("%q is not the name of a header", f.auth.header), "")
			}
		},
	})
	if !l.Problems.Errors() && (f.auth.setting == "" || f.auth.kind == "basic" && f.auth.user == "") {
		l.Add(yamlfile.At(n), "no-secret", "auth needs a secret", "{bearer: API_KEY}, {basic: PASSWORD, user: USER} or {header: X-Api-Key, secret: API_KEY}")
	}
}

func (l *loader) readList(n ast.Node) *list {
	out := &list{}
	l.Mapping(n, "list", yamlfile.Keys{
		"path":  func(n ast.Node) { out.path = l.pathTemplate(n, listNames()) },
		"query": func(n ast.Node) { out.query = l.params(n, listNames()) },
		"items": func(n ast.Node) { out.items = l.pathAt(n, "items") },
		"id":    func(n ast.Node) { out.id = l.expression(n, "id") },
		"at":    func(n ast.Node) { out.at = l.expression(n, "at") },
		"over":  func(n ast.Node) { out.over = l.expression(n, "over") },
		"next":  func(n ast.Node) { out.next = l.expression(n, "next") },
		"param": func(n ast.Node) { out.param, _ = l.Text(n, "param") },
	})
	if (out.path == nil || out.id == nil) && !l.Problems.Errors() {
		l.Add(yamlfile.At(n), "no-list", "list needs path and id", "such as {path: /calls, items: body.calls, id: item.id}")
	}
	return out
}
