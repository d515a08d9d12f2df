package lifecycle

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/window"
)

// KeyState is the state of one (rule, key).
type KeyState struct {
	Rule      string          `json:"rule"`
	Key       string          `json:"key"`
	Incident  *rules.Incident `json:"incident,omitempty"`
	ResolveAt time.Time       `json:"resolveAt,omitzero"`
	UpdateAt  time.Time       `json:"updateAt,omitzero"`  // when gathered changes are told
	QuietTill time.Time       `json:"quietTill,omitzero"` // cooldown: no new incident before
	LastGood  *rules.Evidence `json:"lastGood,omitempty"` // latest call judged good while the incident is open

	PendingTill time.Time      `json:"pendingTill,omitzero"` // a window's condition holds; when its `for` is over
	HeldAt      Instant        `json:"heldAt,omitempty"`     // when that was judged last
	HoldsSince  Instant        `json:"holdsSince,omitempty"` // since when the condition holds that has opened no incident yet
	HeldBack    rules.Step     `json:"heldBack,omitempty"`   // what keeps a condition that holds from opening an incident
	Dismissed   rules.Severity `json:"dismissed,omitempty"`  // resolved by hand at this severity, and the condition has held since
	Tally       []rules.Share  `json:"tally,omitempty"`      // what Incident.Top is taken from
	Tallied     int            `json:"tallied,omitempty"`    // calls that Tally counts
	Lead        int            `json:"lead,omitempty"`       // place of the figure that the incident follows among the rule's leads
	Told        Told           `json:"lastTold,omitzero"`    // what the latest transition said
	LookAt      time.Time      `json:"lookAt,omitzero"`      // when the window or absence is to be judged again
	RemindAt    time.Time      `json:"remindAt,omitzero"`
	SilenceAt   time.Time      `json:"silenceAt,omitzero"` // when a silence that recurs may begin to cover the incident
	RemindIn    time.Duration  `json:"remindIn,omitempty"` // until the reminder after that
	Openings    []time.Time    `json:"openings,omitempty"` // within the latest hour
	CalmAt      time.Time      `json:"calmAt,omitzero"`    // when the openings are forgotten

	Window   *window.State `json:"window,omitempty"`
	Seen     time.Time     `json:"seen,omitzero"`      // latest call, of rules about absence
	Watched  Instant       `json:"watched,omitempty"`  // from when on calls were waited for, or the whole window was seen; zero: always
	Missed   Instant       `json:"missed,omitempty"`   // of windows over time: until when callwatch was away last
	Expected bool          `json:"expected,omitempty"` // of rules about absence: missed although no call was seen
	Known    *KnownValues  `json:"known,omitempty"`

	Queued time.Time `json:"-"` // deadline that is waiting for the key
}

// Told is what a transition said of an incident, as far as it decides whether there
// is an update to tell.
type Told struct {
	Latest  float64      `json:"latest,omitempty"` // of the leading figure
	Worst   float64      `json:"worst,omitempty"`
	Adopted int          `json:"adopted,omitempty"` // incidents
	Counts  rules.Counts `json:"counts,omitzero"`   // of rules about single calls
}

// Due is when time alone will change something for the key; zero for never.
func (k *KeyState) Due(now time.Time) time.Time {
	var next time.Time
	for _, t := range [...]time.Time{k.ResolveAt, k.UpdateAt, k.QuietTill, k.LookAt, k.RemindAt, k.CalmAt, k.PendingTill, k.SilenceAt, k.silencedTill()} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// silencedTill is when the incident's silence ends; zero for never.
func (k *KeyState) silencedTill() time.Time {
	if k.Incident == nil || k.Incident.Silence == nil {
		return time.Time{}
	}
	return k.Incident.Silence.Until
}

// Idle says whether nothing of the key need be remembered.
func (k *KeyState) Idle(now time.Time) bool {
	return k.Incident == nil && !now.Before(k.QuietTill) && !now.Before(k.CalmAt) &&
		k.Window == nil && k.Seen.IsZero() && !k.Expected && k.Known == nil
}

// Awaited reports whether calls of the key are waited for.
func (k *KeyState) Awaited() bool { return !k.Seen.IsZero() || k.Expected }

// Rest is what remains of a key while its rule is not evaluated: what is needed
// again when it is. Windows and absence begin again then, since nobody watched.
func (k *KeyState) Rest() (rested KeyState, some bool) {
	rested = KeyState{Rule: k.Rule, Key: k.Key, QuietTill: k.QuietTill, Openings: k.Openings, CalmAt: k.CalmAt, Known: k.Known}
	return rested, k.Known != nil || !k.QuietTill.IsZero() || !k.CalmAt.IsZero()
}

// PendsUntil is until when a `for` that has begun goes on without a judgement; zero
// for none.
func (k *KeyState) PendsUntil(r *rules.Rule) time.Time {
	if k.PendingTill.IsZero() {
		return time.Time{}
	}
	return k.HeldAt.Time().Add(r.For.Duration)
}

// BeforeWhole reports whether the window before that of the key is all that is known of
// it: while callwatch was away it may have had more calls.
func (k *KeyState) BeforeWhole(w *rules.Window, now time.Time) bool {
	return k.Missed == 0 || !now.Before(k.Missed.Time().Add(2*w.Over))
}

// WholeFrom is when the key's window will have been watched for a whole `over`.
func (k *KeyState) WholeFrom(w *rules.Window) time.Time { return k.Watched.Time().Add(w.Over) }

// Whole reports whether the key's window holds all the calls it is about.
func (k *KeyState) Whole(w *rules.Window, now time.Time) bool {
	if w.Calls > 0 {
		return k.Window.Full(&w.Spec)
	}
	return !now.Before(k.WholeFrom(w))
}

// Instant is a time in nanoseconds since 1970, 0 for none: a third of a time.Time,
// of which every key has several.
type Instant int64

// InstantOf is a time as an instant.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixNano())
}

// Time is the instant in UTC, the zero time for none.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}
