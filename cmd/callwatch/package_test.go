package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// TestPackageInstalls builds the deb of .goreleaser.yaml with nfpm and installs it into a
// root that is thrown away: by debootstrap where it is, else over a copy of this system.
// The unit is valid there, and its command starts and stops.
func TestPackageInstalls(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes minutes")
	}
	for _, tool := range []string{"dpkg", "systemd-analyze", "unshare", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here: packages are tested on Debian", tool)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can install a package")
	}
	deb := buildPackage(t)
	inside := throwAwayRoot(t, filepath.Dir(deb))

	out, err := inside("dpkg -i /package/callwatch.deb")
	if err != nil {
		t.Fatalf("install: %v\n%s", err, out)
	}
	// Every unit of the system is looked at: only what is said of ours counts.
	out, err = inside("systemd-analyze verify --man=no /lib/systemd/system/callwatch.service")
	for line := range strings.Lines(out) {
		if strings.Contains(line, "callwatch") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
	if err != nil && out == "" {
		t.Errorf("systemd-analyze: %v", err)
	}
	out, err = inside(`test -x "$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' /lib/systemd/system/callwatch.service)" && callwatch version && callwatch rules check /etc/callwatch/rules.yaml && test "$(stat -c %a /etc/callwatch/admin-token)" = 600 && test -s /usr/share/man/man1/callwatch.1`)
	if err != nil {
		t.Errorf("what the package installed: %v\n%s", err, out)
	}

	// The command of the unit, with what the unit gives it.
	address := freeAddress(t)
	script := fmt.Sprintf(`cd / && mkdir -p /var/lib/callwatch && export CALLWATCH_DATA_DIR=/var/lib/callwatch CALLWATCH_RULES=/etc/callwatch/rules.yaml \
CALLWATCH_ADMIN_TOKEN_FILE=/etc/callwatch/admin-token CALLWATCH_LISTEN=%s
$(sed -n 's/^ExecStart=//p' /lib/systemd/system/callwatch.service) & pid=$!
for i in $(seq 300); do callwatch healthcheck && break; kill -0 $pid || exit 3; sleep 0.2; done
callwatch rules ls && callwatch store backup /tmp/b.zip && kill -TERM $pid && wait $pid`, address)
	if out, err = inside(script); err != nil || !strings.Contains(out, "ready") {
		t.Errorf("the command of the service: %v\n%s", err, out)
	}
	if res, err := http.Get("http://" + address + "/livez"); err == nil { //nolint:noctx // loopback
		_ = res.Body.Close()
		t.Error("it runs on after SIGTERM")
	}
	out, err = inside("set -ex; head -c 20 /etc/callwatch/admin-token > /tmp/before && dpkg -i /package/callwatch.deb && head -c 20 /etc/callwatch/admin-token | cmp - /tmp/before && dpkg -r callwatch && test ! -e /usr/bin/callwatch && test -e /etc/callwatch/rules.yaml && test -d /var/lib/callwatch")
	if err != nil {
		t.Errorf("install again and remove: %v\n%s", err, out)
	}
}

// buildPackage builds the deb as a release does, and returns its path.
func buildPackage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		NFPMs []map[string]any `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(text, &release); err != nil || len(release.NFPMs) != 1 {
		t.Fatalf("packages: %+v, %v", release, err)
	}
	p := release.NFPMs[0]
	contents := append(p["contents"].([]any), map[string]any{"src": "dist-bin/callwatch", "dst": p["bindir"].(string) + "/callwatch", "file_info": map[string]any{"mode": 0o755}})
	config, err := yaml.Marshal(map[string]any{
		"name": "callwatch", "arch": goOutput(t, "env", "GOARCH"), "version": "0.0.0", "license": p["license"], "maintainer": p["maintainer"],
		"description": p["description"], "scripts": p["scripts"], "contents": contents,
	})
	if err != nil {
		t.Fatal(err)
	}
	// What nfpm packs, in the places that a release has it.
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{"dist-bin", "dist-completion"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(tree, "deploy"), os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "rules.yaml"), rules, 0o644); err != nil { //nolint:gosec // as it is installed
		t.Fatal(err)
	}
	binary := filepath.Join(tree, "dist-bin/callwatch")
	goOutput(t, "build", "-o", binary, ".")
	ran(t, tree, binary, "man", "dist-man")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if err := os.WriteFile(filepath.Join(tree, "dist-completion/callwatch."+shell), ran(t, tree, binary, "completion", shell), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "nfpm.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	nfpm := filepath.Join(dir, "nfpm")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../deploy/nfpm", "-o", nfpm, "github.com/goreleaser/nfpm/v2/cmd/nfpm").CombinedOutput(); err != nil {
		t.Skipf("nfpm cannot be built here, perhaps for want of a network: %v\n%s", err, out)
	}
	packages := filepath.Join(dir, "package")
	if err := os.Mkdir(packages, 0o755); err != nil {
		t.Fatal(err)
	}
	ran(t, tree, nfpm, "package", "--config", "nfpm.yaml", "--packager", "deb", "--target", filepath.Join(packages, "callwatch.deb"))
	return filepath.Join(packages, "callwatch.deb")
}

// throwAwayRoot makes a Debian system and returns how a shell script is run in it. The
// folder is there as /package.
func throwAwayRoot(t *testing.T, folder string) (inside func(script string) (string, error)) {
	t.Helper()
	// On a disk: the layers of a mount cannot lie on another such mount.
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	mount := ""
	if _, err := exec.LookPath("debootstrap"); err == nil {
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Minute)
		defer stop()
		// What it mounts goes with it, also where it is killed: the root can be removed.
		if out, err := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase", "--include=systemd", "bookworm", root).CombinedOutput(); err != nil {
			t.Logf("debootstrap: %v\n%s", err, out[max(0, len(out)-500):])
			root = ""
		}
	} else {
		root = ""
	}
	if root == "" {
		t.Log("the package is installed over a copy of this system")
		root = filepath.Join(dir, "copy")
		mount = fmt.Sprintf("mount -t overlay overlay -o lowerdir=/,upperdir=%[1]s/upper,workdir=%[1]s/work %[2]s && ", dir, root)
		for _, d := range []string{root, dir + "/upper", dir + "/work"} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	inside = func(script string) (string, error) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
		defer stop()
		prepare := fmt.Sprintf("%[1]smkdir -p %[2]s/package %[2]s/dev && mount --bind %[3]s %[2]s/package && mount --bind /dev %[2]s/dev && mount -t proc proc %[2]s/proc && exec chroot %[2]s /bin/sh -c \"$SCRIPT\"", mount, root, folder)
		cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", prepare)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "SCRIPT=" + script}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := inside("true"); err != nil {
		t.Skipf("no root can be made here: %v\n%s", err, out)
	}
	return inside
}

func goOutput(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(string(ran(t, ".", "go", args...)))
}

// ran runs a program in a folder and returns what it writes.
func ran(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out
}
