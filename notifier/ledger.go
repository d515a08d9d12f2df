package notifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"callwatch/rules"
)

// Ledger is where the notifier keeps what it has sent. Values are at most a few
// kilobytes. Save must be durable when it returns.
type Ledger interface {
	// Load returns nil and 0 for a key that does not exist.
	Load(ctx context.Context, key string) (value []byte, rev uint64, err error)
	// Save stores value if the key's revision is still rev, 0 for a key that
	// must not exist yet. ok is false where somebody else was first.
	Save(ctx context.Context, key string, value []byte, rev uint64) (newRev uint64, ok bool, err error)
}

// Record is the ledger's page for one incident in one channel.
type Record struct {
	Incident string          `json:"incident"`
	Channel  string          `json:"channel"`            // as routed: a name or an id
	ID       string          `json:"id,omitempty"`       // of the channel, once Slack told it
	MovedTo  string          `json:"movedTo,omitempty"`  // the channel was broken: announced there instead
	Sent     map[string]Sent `json:"sent,omitempty"`     // messages by name
	Shows    Shown           `json:"shows,omitzero"`     // what the root says
	Severity rules.Severity  `json:"severity,omitempty"` // the highest that was announced
	Adopted  int             `json:"adopted,omitempty"`  // how many adopted incidents the thread names
	Storm    *Membership     `json:"storm,omitempty"`    // told there, not in a thread of its own
	Without  []string        `json:"without,omitempty"`  // blocks that Slack refused, by their ids
	Plain    bool            `json:"plain,omitempty"`    // Slack refused blocks altogether
	Frozen   bool            `json:"frozen,omitempty"`   // the workspace forbids edits
	Previous []Place         `json:"previous,omitempty"` // roots that somebody deleted
	Alerts   []AlertLabels   `json:"alerts,omitempty"`   // label sets that may fire in Alertmanager, the current one last
	Begun    rules.Cause     `json:"begun,omitzero"`     // the latest transition whose sending to Alertmanager has begun
	Doubt    time.Time       `json:"doubt,omitzero"`     // when the page was found lost: what is older may have been sent
}

// AlertLabels is a label set that may be firing in Alertmanager.
type AlertLabels struct {
	Labels map[string]string `json:"labels"`
	Since  time.Time         `json:"since"`
}

// Names of messages. Each is sent once per incident and channel.
const (
	rootName     = "root"
	openedName   = "opened"
	resolvedName = "resolved"
)

// Sent is how far one message has come.
type Sent struct {
	State sentState `json:"state,omitempty"`
	At    time.Time `json:"at,omitzero"`    // of the first attempt
	Tried time.Time `json:"tried,omitzero"` // of the latest
	TS    string    `json:"ts,omitempty"`
	Error string    `json:"error,omitempty"` // why it was parked

	Absent bool `json:"absent,omitempty"` // looked for, and not there
}

type sentState string

const (
	unsent     sentState = ""           // not there for certain, whether tried or not
	attempting sentState = "attempting" // may or may not be there
	delivered  sentState = "sent"
	parked     sentState = "parked" // given up; needs a human
)

// Shown is the version of the incident that the root shows.
type Shown struct {
	State string      `json:"mark"` // state and severity: what must not wait
	Hash  string      `json:"hash"`
	Cause rules.Cause `json:"cause"`
	At    time.Time   `json:"at"`
}

// shownState is the part of an incident that readers act on.
func shownState(in *rules.Incident) string {
	m := string(in.State) + "/" + string(in.Severity)
	if in.Acknowledged != nil {
		m += "/acknowledged by " + in.Acknowledged.By
	}
	if in.Assigned != nil {
		m += "/assigned to " + in.Assigned.To
	}
	if in.Silence != nil {
		m += "/silenced until " + in.Silence.Until.UTC().Format(time.RFC3339)
	}
	if in.Parent != "" {
		m += "/adopted by " + in.Parent
	}
	return m
}

// clone lets a delivery change its copy while transitions come in.
func (r Record) clone() Record {
	r.Sent = maps.Clone(r.Sent)
	if r.Sent == nil {
		r.Sent = map[string]Sent{}
	}
	r.Previous, r.Without, r.Alerts = slices.Clone(r.Previous), slices.Clone(r.Without), slices.Clone(r.Alerts)
	return r
}

// lostRoot forgets a root that is gone, so that a new one is posted.
func (r *Record) lostRoot() {
	r.Previous = append(r.Previous, Place{r.ID, r.Sent[rootName].TS})
	if len(r.Previous) > maxPrevious {
		r.Previous = slices.Delete(r.Previous, 0, 1)
	}
	delete(r.Sent, rootName)
	r.Shows = Shown{}
}

const maxPrevious = 10

// page is a record with its place in the ledger.
type page struct {
	Record

	key     string
	rev     uint64
	bytes   []byte // as stored
	damaged bool   // what was stored cannot be read
}

// pageKey names the page of an incident in a channel.
func pageKey(incident, channel string) string {
	sum := sha256.Sum256([]byte(channel))
	return incident + "." + hex.EncodeToString(sum[:6])
}

// maxPage bounds a stored page, in bytes.
const maxPage = 1 << 20

// loadPage reads the page of an incident in a channel. What is stored and is no
// such page is damaged: the page returned is empty and takes its place.
func loadPage(ctx context.Context, l Ledger, incident, channel string) (page, error) {
	p := page{key: pageKey(incident, channel)}
	var err error
	if p.bytes, p.rev, err = l.Load(ctx, p.key); err != nil {
		return page{}, fmt.Errorf("load ledger page %s: %w", p.key, err)
	}
	if p.rev > 0 {
		ok := len(p.bytes) <= maxPage && json.Unmarshal(p.bytes, &p.Record) == nil
		if p.damaged = !ok || p.Incident != incident || p.Channel != channel; p.damaged {
			p.Record, p.bytes = Record{}, nil
		}
	}
	p.Incident, p.Channel = incident, channel
	p.Record = p.clone()
	return p, nil
}

// openPage is loadPage for announcing. A page that is damaged, or missing though
// this is not the beginning of the incident, may have been lost, and in a ledger that
// was damaged one may be older than what was done since: messages that it does not know
// are looked for in Slack before they are posted.
func (n *Notifier) openPage(ctx context.Context, in *rules.Incident, step rules.Step, channel string) (page, error) {
	p, err := loadPage(ctx, n.ledger, in.ID, channel)
	if err != nil {
		return page{}, err
	}
	if p.damaged {
		n.log.Error("delivery ledger entry damaged: its messages are looked for in Slack", "incident", in.ID, "rule", in.Rule, "channel", channel)
	}
	older := n.cfg.Older != nil && p.rev > 0 && in.OpenedAt.Before(n.began) && n.cfg.Older()
	if p.damaged || older || p.rev == 0 && (in.OpenedAt.Before(n.began) || step != rules.StepOpened && !Quiet(in)) {
		p.Doubt = n.now()
	}
	return p, nil
}

// doubts reports whether a message may have been sent by an earlier process whose
// record of it is lost.
func (r *Record) doubts(l *Line) bool {
	m := r.Sent[l.Name]
	return !r.Doubt.IsZero() && m.State == unsent && !m.Absent && (l.skipped || !l.At.After(r.Doubt))
}

// save stores the page if it changed. It returns false where another instance
// wrote it in the meantime: load it again.
func (p *page) save(ctx context.Context, l Ledger) (ok bool, err error) {
	b, err := json.Marshal(p.Record)
	if err != nil {
		return false, fmt.Errorf("write ledger page %s: %w", p.key, err)
	}
	if string(b) == string(p.bytes) {
		return true, nil
	}
	rev, ok, err := l.Save(ctx, p.key, b, p.rev)
	if err != nil {
		return false, fmt.Errorf("save ledger page %s: %w", p.key, err)
	}
	if ok {
		p.bytes, p.rev = b, rev
	}
	return ok, nil
}

// othersDone is when an attempt found in the ledger is over, be it of an
// instance that is gone or of one that still runs: before that, a look into the
// channel proves nothing.
func (p *page) othersDone(timeout time.Duration) time.Time {
	var end time.Time
	for _, s := range p.Sent {
		if s.State == attempting {
			end = Later(end, s.Tried.Add(timeout))
		}
	}
	return end
}
