package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"callwatch/normalizer/registry"
	"callwatch/stream/frame"
)

// What the disk has lost of stored webhooks is found without anybody reading it,
// and counted once.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules, cfg.Audit = writeRules(t, lowMOSRule), time.Second
	a, stop := runApp(t, cfg, nil)
	p := &process{t: t, base: "http://" + a.server.Addr().String()}
	var frames uint64
	for _, id := range []string{"1000", "1001", "1002"} {
		at, err := frame.ParsePosition(put(t, a.store, birdCall(id, 4.1)))
		if err != nil {
			t.Fatal(err)
		}
		frames = at.Seq
	}
	p.settled()
	if err := a.audit.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := p.metric("callwatch_damaged_total"); n != "0" {
		t.Errorf("%s parts of a sound store count as damaged", n)
	}
	stop()
	block := filepath.Join(cfg.DataDir, "jetstream", "$G", "streams", "CALLWATCH_RAW", "msgs", "1.blk")
	b, err := os.ReadFile(block)
	if err != nil || frames < 3 {
		t.Fatalf("%d frames, %v", frames, err)
	}
	clear(b[len(b)/2 : len(b)/2+40])
	if err := os.WriteFile(block, b, 0o600); err != nil {
		t.Fatal(err)
	}

	a, stop = runApp(t, cfg, nil)
	defer stop()
	p = &process{t: t, base: "http://" + a.server.Addr().String()}
	eventually(t, "the audit finds it", func() bool { return p.metric("callwatch_damaged_total") == "1" })
	if err := a.audit.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := p.metric("callwatch_damaged_total"); n != "1" {
		t.Errorf("%s parts count as damaged after another audit", n)
	}
}
