package lifecycle

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"callwatch/rules"
)

// maxAdopted bounds the incidents that one lists as its own.
const maxAdopted = 50

// ListAdopted names an incident among those adopted, and reports whether there was room.
func (k *KeyState) ListAdopted(child *rules.Incident) bool {
	if len(k.Incident.Adopted) >= maxAdopted {
		return false
	}
	k.Change(func(i *rules.Incident) {
		i.Adopted = append(slices.Clip(i.Adopted), rules.Adopted{ID: child.ID, Rule: child.Rule, Summary: child.Summary, OpenedAt: child.OpenedAt})
	})
	return true
}

// incidentID is the same in every replay: it names what opened the incident.
func incidentID(in *rules.Incident) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		in.Rule, rules.JoinLabels(in.By), in.Opening.Call.ID, in.OpenedAt.UTC().Format("20060102T150405.000000000"),
	}, "\x00")))
	return "inc_" + hex.EncodeToString(sum[:8])
}
