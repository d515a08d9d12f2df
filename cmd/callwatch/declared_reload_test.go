package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer/declared"
)

// TestReloadOfDeclarations: a declaration is taken as a whole or stays as a whole, and the
// log says what waits for the next start, and why.
func TestReloadOfDeclarations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	load := func(texts map[string]string) []*declared.Declaration {
		t.Helper()
		var files []string
		for name, text := range texts {
			file := filepath.Join(dir, name+".yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		all, problems, err := declared.LoadFiles(files)
		if err != nil || problems.Errors() {
			t.Fatal(err, problems)
		}
		return all
	}
	source := func(secret, id string) string {
		return fmt.Sprintf("title: T\nsettings: {%[1]s: \"the secret\"}\nverify: {hmac: {secret: %[1]s, header: X-Signature}}\n"+
			"events:\n  - {name: over, kind: ended, set: {callId: body.%[2]s, durationSec: num(body.seconds)}}\n", secret, id)
	}
	var live []*declared.Live
	for _, d := range load(map[string]string{"one": source("SECRET", "id"), "two": source("SECRET", "id"), "three": source("SECRET", "id")}) {
		live = append(live, declared.NewLive(d))
	}
	var log bytes.Buffer
	next := load(map[string]string{"one": source("SECRET", "uuid"), "two": source("OTHER", "uuid"), "four": source("SECRET", "id")})
	replaceDeclared(live, next, slog.New(slog.NewTextHandler(&log, nil)))
	for _, want := range []string{
		`msg="a declared provider is new: it counts from the next start on" provider=four`,
		`msg="a declared provider stays as it is until the next start" provider=two`, `changed=settings`,
		`msg="a declared provider is gone: it stays until the next start" provider=three`,
		`msg="declared providers reloaded" providers=1`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &log)
		}
	}
	for _, l := range live {
		name := l.Get().Name
		if taken := slices.Contains(next, l.Get()); taken != (name == "one") {
			t.Errorf("%s: taken %v", name, taken)
		}
	}
}
