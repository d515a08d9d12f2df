// Package access decides over HTTP who makes a request and whether the route that it
// asks for is open to them: tokens, sessions of browsers, log-in by OpenID Connect,
// names from a trusted proxy.
package access

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Role is what a user may do; each one may do what those before it may.
type Role int

const (
	Nobody   Role = iota // nothing
	Viewer               // read
	Operator             // acknowledge, silence, resolve, try rules, replay dead letters
	Admin                // reload rules, import, erase, prune, back up, read profiles
)

var roleNames = []string{"nobody", "viewer", "operator", "admin"}

// String is the name of the role, as settings have it.
func (r Role) String() string {
	if r < Nobody || r > Admin {
		return fmt.Sprintf("Role(%d)", int(r))
	}
	return roleNames[r]
}

// ParseRole reads viewer, operator or admin.
func ParseRole(s string) (Role, error) {
	if i := slices.Index(roleNames, s); i > 0 {
		return Role(i), nil
	}
	return Nobody, fmt.Errorf("%.40q is none of viewer, operator, admin", s)
}

// User is who makes a request.
type User struct {
	Name string // shown with what they do; "": the request says it
	Role Role
}

// Or is the user's name, or the other one where they have none.
func (u User) Or(name string) string {
	if u.Name != "" {
		return u.Name
	}
	return name
}

// Token is a bearer token as it is kept: its SHA-256.
type Token struct {
	User
	digest [sha256.Size]byte
}

// NewToken is the token of a user.
func NewToken(u User, secret string) Token { return Token{u, sha256.Sum256([]byte(secret))} }

// AdminToken is the token of an admin who is not named: requests say who acts.
func AdminToken(secret string) Token { return NewToken(User{Role: Admin}, secret) }

// Everybody in a mapping is each user who is logged in.
const Everybody = "*"

// userPrefix begins the name of a user in a mapping. Groups have none: where users
// choose their names, one must not be able to take that of a group.
const userPrefix = "user:"

// Mapping gives a role to the groups that are listed for it, and to the users, as
// user:NAME.
type Mapping struct{ Viewer, Operator, Admin []string }

// Role is the highest role that the name or one of the groups has.
func (m Mapping) Role(name string, groups []string) Role {
	has := func(listed []string) bool {
		return slices.ContainsFunc(listed, func(s string) bool {
			if user, ok := strings.CutPrefix(s, userPrefix); ok {
				return user == name && name != ""
			}
			return s == Everybody || s != "" && slices.Contains(groups, s)
		})
	}
	switch {
	case has(m.Admin):
		return Admin
	case has(m.Operator):
		return Operator
	case has(m.Viewer):
		return Viewer
	}
	return Nobody
}

// Config says who may come in.
type Config struct {
	Tokens []Token
	// Proxies are the networks whose X-Forwarded-For, X-Forwarded-Proto and user header
	// are believed.
	Proxies []netip.Prefix
	// UserHeader names the user whom a trusted proxy has logged in, GroupsHeader their
	// groups, separated by commas. Empty: no proxy does.
	UserHeader, GroupsHeader string
	Roles                    Mapping // of users that a proxy or the OIDC provider names
	OIDC                     *OIDC   // nil: no log-in by OpenID Connect
}

// trusts says whether an address is one of a trusted proxy.
func (c *Config) trusts(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

// split separates a list at its commas.
func split(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// May says whether the role may do what needs the named one.
func (r Role) May(needed string) (bool, error) {
	n, err := ParseRole(needed)
	return err == nil && r >= n, err
}
