// Package shipped has the declarations of providers that come with callwatch. What the
// language of declarations does not carry, the signature of Plivo, is written in Go.
package shipped

import (
	"embed"
	"encoding/hex"
	"sync"

	"callwatch/normalizer"
	"callwatch/normalizer/declared"
	"callwatch/normalizer/simulate"
)

//go:embed *.yaml
var files embed.FS

// names are the providers, in the order of the documentation.
func names() []string {
	return []string{"vonage", "plivo", "vapi", "retell", "elevenlabs", "freeswitch", "asterisk", "jambonz", "livekit"}
}

// Declarations are those that come with callwatch. It panics on a mistake in one, which
// the tests of this package exclude.
var Declarations = sync.OnceValue(func() []*declared.Declaration {
	var all []*declared.Declaration
	for _, name := range names() {
		src, err := files.ReadFile(name + ".yaml")
		if err != nil {
			panic(err)
		}
		d, problems := declared.Load(name+".yaml", src)
		if d == nil {
			panic(problems)
		}
		all = append(all, d)
	}
	return all
})

// Providers are the providers of Declarations.
func Providers() normalizer.Registry {
	var all normalizer.Registry
	for _, d := range Declarations() {
		p := d.Provider()
		if p.Name == "plivo" {
			p = signed(p, verifyPlivo)
		}
		all = append(all, p)
	}
	return all
}

// signed is a provider whose signature is checked in Go.
func signed(p normalizer.Provider, verify func(*normalizer.Request, normalizer.Keys) (string, error)) normalizer.Provider {
	p.Unsigned, p.SignsURL, p.Verify = false, true, verify
	settings := append([]normalizer.Setting(nil), p.Settings...)
	for i := range settings {
		if settings[i].Name == authToken {
			settings[i].Use = normalizer.ForVerify
		}
	}
	p.Settings = settings
	return p
}

// Simulators make traffic of the bodies of their tests.
func Simulators() simulate.Sources {
	var all simulate.Sources
	for _, d := range Declarations() {
		s := d.Simulator()
		if s == nil {
			continue
		}
		if s.Name == "plivo" {
			s.Forms[0].Proof = append(simulate.Proof{{Setting: authToken, Sign: signPlivo}}, s.Forms[0].Proof...)
			s.Generate = func(draw func(int) []byte, receive, _ normalizer.Keys) {
				receive[authToken] = []string{hex.EncodeToString(draw(16))}
			}
		}
		all = append(all, *s)
	}
	return all
}
