package notifier_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

// alertCases are lives of an incident, a step and what Alertmanager shows after
// it: the severities that fire, "-" for none, with "ack" where it is annotated.
//
// crash takes the step after it and dies between the request and the record of
// it; died-before dies before the request. Both start again, with the first
// transition alone for a minute and then the rest of the stream.
var alertCases = []struct{ name, steps string }{
	{"opened and resolved", "opened:warning resolved:-"},
	{"updates keep it", "opened:warning updated:warning updated:warning resolved:-"},
	{"an escalation moves it", "opened:warning escalated:critical resolved:-"},
	{"an escalation straight after the opening", "opened escalated:critical resolved:-"},
	{"acknowledged", "opened:warning acknowledged:warning+ack updated:warning+ack unacknowledged:warning resolved:-"},
	{"acknowledged and escalated", "opened:warning acknowledged:warning+ack escalated:critical+ack resolved:-"},
	{"silenced from its beginning", "silenced-opened:- updated:- escalated:- acknowledged:- resolved:-"},
	{"silenced from its beginning, then not", "silenced-opened:- updated:- unsilenced:warning resolved:-"},
	{"silenced later", "opened:warning silenced:- updated:- wait:- resolved:-"},
	{"silenced later, then not", "opened:warning silenced:- updated:- unsilenced:warning updated:warning resolved:-"},
	{"escalated while silenced", "opened:warning silenced:- escalated:- unsilenced:critical resolved:-"},
	{"adopted", "opened:warning adopted:- updated:- resolved:-"},
	{"replayed while open", "opened:warning escalated:critical replay:critical updated:critical resolved:-"},
	{"replayed after the end", "opened:warning escalated:critical resolved:- replay:- wait:-"},
	{"replayed while silenced", "opened:warning silenced:- replay:- updated:- wait:- resolved:-"},
	{"stale transitions after an escalation", "opened:warning escalated:critical replay-opened:critical wait:critical resolved:-"},
	{"stale transitions after the end", "opened:warning resolved:- replay-opened:- wait:-"},
	{"crash at the opening", "crash opened:warning updated:warning resolved:-"},
	{"crash at the escalation", "opened:warning crash escalated:critical wait:critical resolved:-"},
	{"crash at the escalation, then resolved", "opened:warning crash escalated resolved:- replay:-"},
	{"crash at the silence", "opened:warning crash silenced:- wait:- resolved:-"},
	{"crash at the end", "opened:warning crash resolved:- wait:-"},
	{"died before the escalation", "opened:warning died-before escalated:critical resolved:-"},
	{"died before the end", "opened:warning escalated:critical died-before resolved:- replay:-"},
}

// alertStep changes the incident as the engine would.
func alertStep(t *testing.T, name string, in rules.Incident, now time.Time) (rules.Step, rules.Incident) {
	in.UpdatedAt = now
	switch name {
	case "opened", "updated":
	case "silenced-opened":
		in.Silence = &rules.Silence{ID: "s1", Until: now.Add(time.Hour), By: "ana"}
		return rules.StepOpened, in
	case "escalated":
		in.Severity = rules.Critical
	case "acknowledged":
		in.Acknowledged = &rules.Actor{By: "ana", At: now}
	case "unacknowledged":
		in.Acknowledged = nil
	case "silenced":
		in.Silence = &rules.Silence{ID: "s1", Until: now.Add(time.Hour), By: "ana"}
	case "unsilenced":
		in.Silence = nil
	case "adopted":
		in.Parent = "other"
	case "resolved":
		in.State, in.ResolvedAt = rules.Resolved, now
	default:
		t.Fatalf("no step %q", name)
	}
	return rules.Step(name), in
}

// playAlerts plays one life. shown returns what Alertmanager has of an incident.
func playAlerts(t *testing.T, s *scene, steps string, shown func(incident string) string) {
	t.Helper()
	in := routed(notifiertest.Opened())
	in.ID = strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	in.OpenedAt, in.UpdatedAt = s.clock.now(), s.clock.now()
	in.Opening.At, in.Labels = in.OpenedAt, map[string]string{"team": "voice"}
	death := -1
	for step := range strings.FieldsSeq(steps) {
		name, want, asked := strings.Cut(step, ":")
		switch name {
		case "crash":
			death = 1 // the intent is stored, the result is not
			continue
		case "died-before":
			death = 0
			continue
		case "wait":
			s.until(s.clock.now().Add(61 * time.Second))
		case "replay":
			s.restart()
			s.replay(0)
		case "replay-opened": // and what follows is not there yet
			stale(t, s)
			if got := shown(in.ID); asked && got != want {
				t.Errorf("%s of %q, before the rest of the stream: Alertmanager shows %s, want %s", step, steps, got, want)
			}
			s.replay(1)
		default:
			var change rules.Step
			change, in = alertStep(t, name, in, s.clock.now())
			if death >= 0 {
				s.ledger.dieAfter(death)
			}
			s.handle(change, in)
		}
		s.until(s.clock.now().Add(time.Millisecond * 500))
		if death >= 0 {
			s.ledger.dieAfter(-1)
			stale(t, s)
			if got := shown(in.ID); asked && death == 1 && got != want {
				t.Errorf("%s of %q, before the rest of the stream: Alertmanager shows %s, want %s", step, steps, got, want)
			}
			s.replay(1)
			s.until(s.clock.now().Add(time.Millisecond * 500))
			death = -1
		}
		if got := shown(in.ID); asked && got != want {
			t.Errorf("%s of %q: Alertmanager shows %s, want %s", step, steps, got, want)
		}
	}
}

// stale starts again with the first transition alone for more than a minute.
func stale(t *testing.T, s *scene) {
	t.Helper()
	s.restart()
	if err := s.n.Handle(t.Context(), 1, s.stream[0]); err != nil {
		t.Fatal(err)
	}
	s.until(s.clock.now().Add(61 * time.Second))
}

// alert is one that is posted to Alertmanager.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// amAlert is an alert as Alertmanager's API shows it.
type amAlert struct {
	Labels, Annotations map[string]string
	EndsAt              time.Time
}

// shownAs are the alerts of an incident in the notation of alertCases.
func shownAs(alerts []amAlert, incident string) string {
	var out []string
	for _, a := range alerts {
		if a.Labels["incident"] != incident {
			continue
		}
		s := a.Labels["severity"]
		if a.Annotations["acknowledged_by"] != "" {
			s += "+ack"
		}
		if a.Labels["team"] != "voice" || a.Labels["provider"] != "telnyx" || a.Annotations["severity"] != a.Labels["severity"] {
			s += fmt.Sprint(a)
		}
		out = append(out, s)
	}
	if slices.Sort(out); len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ",")
}

// alertStore keeps alerts as Alertmanager does: by their labels, until they end.
type alertStore struct {
	now     func() time.Time
	crashes bool
	mu      sync.Mutex
	alerts  map[string]amAlert
	bad     []string
}

func (a *alertStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in []alert
	err := json.NewDecoder(r.Body).Decode(&in)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || r.URL.Path != "/api/v2/alerts" {
		a.bad = append(a.bad, fmt.Sprint(r.URL.Path, err))
	}
	for _, one := range in {
		if one.EndsAt.Before(one.StartsAt) {
			a.bad = append(a.bad, fmt.Sprintf("ends %s before it starts %s", one.EndsAt, one.StartsAt))
		}
		key := fmt.Sprint(one.Labels) // maps print sorted
		if old, ok := a.alerts[key]; ok && !a.crashes && !old.EndsAt.After(a.now()) && !one.EndsAt.After(a.now()) {
			a.bad = append(a.bad, "resolved twice: "+key)
		}
		a.alerts[key] = amAlert{one.Labels, one.Annotations, one.EndsAt}
	}
}

func (a *alertStore) shown(incident string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var active []amAlert
	for _, one := range a.alerts {
		if one.EndsAt.After(a.now()) {
			active = append(active, one)
		}
	}
	return shownAs(active, incident)
}

func TestAlertFollowsTheIncident(t *testing.T) {
	t.Parallel()
	for _, c := range alertCases {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, channel)
			store := &alertStore{now: s.clock.now, alerts: map[string]amAlert{}, crashes: strings.Contains(c.steps, "crash")}
			server := httptest.NewServer(store)
			t.Cleanup(server.Close)
			s.cfg.Outputs = map[string]outputConfig{"ops": {Alertmanager: delivery.Token(server.URL)}}
			s.restart()
			playAlerts(t, s, c.steps, store.shown)
			if len(store.bad) > 0 {
				t.Error(store.bad)
			}
			if st := s.n.Status(); st.Broken() || s.receiver("output ops").Parked > 0 {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// TestRealAlertmanager plays the same lives to an Alertmanager and reads its API.
func TestRealAlertmanager(t *testing.T) {
	t.Parallel()
	address := startAlertmanager(t)
	shown := func(incident string) string {
		var alerts []amAlert
		if err := json.Unmarshal(fetchAlerts(t, address, incident), &alerts); err != nil {
			t.Fatal(err)
		}
		return shownAs(alerts, incident)
	}
	for _, c := range alertCases {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, channel)
			s.clock.t = time.Now().UTC().Add(-3 * time.Minute) // ends are in the past; what fires ends four minutes later
			s.cfg.Outputs = map[string]outputConfig{"ops": {Alertmanager: delivery.Token(address)}}
			s.restart()
			playAlerts(t, s, c.steps, shown)
			if st := s.n.Status(); st.Broken() || s.receiver("output ops").Parked > 0 {
				t.Errorf("status %+v", st)
			}
		})
	}
	t.Run("names and values of any kind", func(t *testing.T) {
		s := newScene(t, channel)
		s.clock.t = time.Now().UTC()
		s.cfg.Outputs = map[string]outputConfig{"ops": {Alertmanager: delivery.Token(address)}}
		s.restart()
		in := routed(notifiertest.Opened())
		in.ID, in.OpenedAt = "any-kind", s.clock.now()
		in.Labels = map[string]string{"team-name": "a", "team_name": "b", "1st": "c", "ünï": "d", "": "e", "empty": "", "incident": "f", "bad": "g\xff"}
		in.By = []rules.Label{{Name: "raw.data.x", Value: "1"}, {Name: "team-name", Value: "other"}, {Name: "hostile", Value: "<!here> \u202e`x`"}}
		s.handle(rules.StepOpened, in)
		s.until(s.clock.now().Add(time.Second))
		var alerts []amAlert
		if err := json.Unmarshal(fetchAlerts(t, address, "any-kind"), &alerts); err != nil || len(alerts) != 1 {
			t.Fatalf("%d alerts, %v, log %s", len(alerts), err, s.log.String())
		}
		want := map[string]string{
			"alertname": "bad-call", "incident": "any-kind", "severity": "warning", "team_name": "b", "_1st": "c", "_n_": "d", "_": "e",
			"bad": "g\uFFFD", "raw_data_x": "1",
		}
		delete(alerts[0].Labels, "hostile")
		if !maps.Equal(alerts[0].Labels, want) {
			t.Errorf("labels %q, want %q", alerts[0].Labels, want)
		}
	})
}

func fetchAlerts(t *testing.T, address, incident string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+`/api/v2/alerts?filter=incident="`+incident+`"`, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	return body
}

// long skips a test that computes for seconds or starts a process.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// startAlertmanager starts the Alertmanager of this machine. Without one the test
// skips, or fails where CALLWATCH_REQUIRE_ALERTMANAGER is 1.
func startAlertmanager(t *testing.T) (address string) {
	t.Helper()
	long(t)
	binary, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		binary, err = exec.LookPath("alertmanager")
	}
	if err != nil {
		if os.Getenv("CALLWATCH_REQUIRE_ALERTMANAGER") == "1" {
			t.Fatal("no Alertmanager found, and CALLWATCH_REQUIRE_ALERTMANAGER=1")
		}
		t.Skip("no Alertmanager found: install the Debian package prometheus-alertmanager")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := free.Addr().String()
	_ = free.Close()
	ctx, stop := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, binary, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+host, "--cluster.listen-address=")
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = c.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		stop()
		<-exited
		_ = out.Close()
	})
	for range 600 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/-/ready", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return "http://" + host
			}
		}
		select {
		case <-exited:
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("Alertmanager ended: %s", text)
		case <-time.After(100 * time.Millisecond):
		}
	}
	text, _ := os.ReadFile(out.Name())
	t.Fatalf("Alertmanager is not ready after a minute: %s", text)
	return ""
}
