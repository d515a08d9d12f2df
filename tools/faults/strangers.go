package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"callwatch/tools/faults/attack"
	"callwatch/tools/faults/rig"
)

const (
	containerMemory = 1024 // megabytes, as in the shipped manifests
	besideHeap      = 124  // of it are left beside GOMEMLIMIT, as there
)

// strangers makes 2,000 slow senders, floods of headers, 10,000 connections and hostile drafts of
// rules attack, at the same time, a callwatch that has the memory of the shipped container.
func strangers(t *rig.Trial) error {
	r, err := t.Rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.Close()
	var times timings
	r.Load.Rate, r.Load.Watch = 100, times.note
	r.Setenv("CALLWATCH_ADMIN_TOKEN", rig.AdminToken)
	r.Setenv("CALLWATCH_SLACK_SIGNING_SECRET", "0123456789abcdef0123456789abcdef")
	memory := t.Times(containerMemory/2, containerMemory)
	r.Setenv("GOMEMLIMIT", fmt.Sprintf("%dMiB", memory-besideHeap))
	inContainer, remove := contain(r.Product, memory<<20)
	defer remove()
	if err := r.Begin(); err != nil {
		return err
	}
	if err := r.Taken(100); err != nil {
		return err
	}
	times.reset()
	until, latest := time.Now().Add(t.Span(5*time.Second, time.Minute)), time.Now().Add(3*time.Minute)
	others, err := attack.Start(attack.Onslaught{Address: r.Address, Token: rig.AdminToken, Slow: t.Times(600, 2000), Conns: t.Times(1000, 10_000), Drafts: t.Times(2, 8)})
	if err != nil {
		return err
	}
	largest := 0
	// However slow the machine is, they send more than there is memory.
	for rig.Alive(r.Cmd.Process.Pid) && (time.Now().Before(until) || others.Done().Sent < int64(memory)<<20*5/4 && time.Now().Before(latest)) {
		largest = max(largest, resident(r.Cmd.Process.Pid))
		if !rig.Pause(t, 100*time.Millisecond) {
			break
		}
	}
	p99, good := times.p99()
	done, err := others.End()
	if err != nil {
		return fmt.Errorf("%w: %w", rig.ErrSetup, err)
	}
	r.Load.End()
	t.Count("%d slow forms and headers, %d connections open at once, %d hostile drafts, %d of them judged; %d good requests with p99 %v, %d MB at most, %s of %d MiB", done.Slow, done.Held, done.Drafts, done.Judged,
		good, p99.Round(time.Millisecond), largest, map[bool]string{true: "in a container", false: "no container, the size"}[inContainer], memory)
	if !rig.Alive(r.Cmd.Process.Pid) {
		return fmt.Errorf("callwatch was killed\n%s", r.LastWords())
	}
	if err := t.Finish(r.Product, r.Checker, "attacked"); err != nil {
		return err
	}
	if largest > memory || !t.Short && p99 > 100*time.Millisecond || good == 0 || done.Drafts == 0 || done.Held == 0 {
		return fmt.Errorf("%d MB, p99 %v of %d good requests", largest, p99, good)
	}
	return nil
}

// contain has the next process started in a memory cgroup of so many bytes; false where this
// machine has none to give.
func contain(p *rig.Product, size int) (contained bool, remove func()) {
	for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, "callwatch-faults-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatUint(rand.Uint64(), 36))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
			limit := filepath.Join(dir, file)
			if _, err := os.Stat(limit); err != nil || os.WriteFile(limit, []byte(strconv.Itoa(size)), 0) != nil {
				continue
			}
			p.Wrap = append([]string{"/bin/sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, dir}, p.Wrap...)
			return true, func() {
				p.Kill()
				_ = os.Remove(dir)
			}
		}
		_ = os.Remove(dir)
	}
	return false, func() {}
}
