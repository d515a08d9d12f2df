package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

// machine is what the numbers were measured on.
func machine() string {
	model := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(b); m != nil {
			model = string(m[1])
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func buildCallwatch(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "callwatch")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/callwatch").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build callwatch: %w\n%s", err, out)
	}
	return binary, nil
}

// process is a server under load.
type process struct {
	cmd  *exec.Cmd
	addr string
	log  *os.File
}

// startFloor starts this program as one of the floors.
func startFloor(ctx context.Context, kind, dir, publicKey string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startPrinting(exec.CommandContext(ctx, self, "floor", "-kind", kind, "-dir", dir, "-key", publicKey))
}

// startPrinting starts a server that prints its address.
func startPrinting(cmd *exec.Cmd) (*process, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not start: %w", strings.Join(cmd.Args, " "), err), cmd.Process.Kill())
	}
	return &process{cmd: cmd, addr: strings.TrimSpace(line)}, nil
}

// startCallwatch starts callwatch on a data directory; environ is over what every
// row needs.
func startCallwatch(ctx context.Context, o *options, dir string, environ ...string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	cmd := exec.CommandContext(ctx, o.binary, "serve", "--listen", addr, "--data-dir", dir, "--log-level", "warn")
	cmd.Env = append(os.Environ(), append([]string{
		"CALLWATCH_ATOMS_SIGNING_SECRET=" + hmacSecret, "CALLWATCH_SIGNALWIRE_SIGNING_KEY=" + hmacSecret,
		"CALLWATCH_TELNYX_URL_TOKEN=" + urlToken, "CALLWATCH_PUBLIC_URL=" + publicURL, "CALLWATCH_ADMIN_TOKEN=" + adminToken, "CALLWATCH_RULES=" + o.rules,
	}, environ...)...)
	p := &process{cmd: cmd, addr: addr}
	if p.log, err = os.CreateTemp(o.scratch, "callwatch-*.log"); err != nil {
		return nil, err
	}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// ready waits until the server takes webhooks.
func (p *process) ready(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, 5*time.Minute)
	defer done()
	for ctx.Err() == nil {
		if body, err := p.read(ctx, "/readyz"); err == nil && body != "" {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	said, _ := os.ReadFile(p.log.Name())
	return fmt.Errorf("callwatch is not ready: %s", said)
}

// read is the body of a 200 answer.
func (p *process) read(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, res.Status)
	}
	return string(b), err
}

// metric is the sum of a metric's values over its labels; labels, if not "", must
// are in the line.
func (p *process) metric(ctx context.Context, name, labels string) (float64, error) {
	text, err := p.read(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, labels) {
			continue
		}
		fields := strings.Fields(rest)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// resident is the memory the process holds, in bytes.
func (p *process) resident() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// cpu is the processor time the process has used.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	ticks := int64(0)
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// stop ends the process as a deployment would.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return nil // a floor knows no graceful end
	}
	return err
}
