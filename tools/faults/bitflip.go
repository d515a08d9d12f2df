package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"callwatch/tools/faults/checker"
)

// bitflip flips one bit somewhere in the block files of a closed store, and looks
// at what callwatch makes of it, under a memory limit: a flipped sequence can make
// the server take all there is.
func bitflip(t *trial) error {
	w, err := checker.Start(t.dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	p, err := t.install(w)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.fill(w, map[bool]int{true: 200, false: 1000}[t.short], 0.7); err != nil {
		return err
	}
	if err := p.settled(5 * time.Minute); err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	pristine := p.data
	dice := rand.New(rand.NewPCG(t.seed, 7))
	p.wrap = []string{"sh", "-c", `ulimit -v 6000000; exec "$@"`, "sh"}
	flips, named, twice, unready := t.times(8, 200), 0, 0, 0
	var inside, outside damaged
	for i := range flips {
		p.data = filepath.Join(t.dir, fmt.Sprintf("flip-%d", i))
		if err := os.CopyFS(p.data, os.DirFS(pristine)); err != nil {
			return err
		}
		of := ""
		if i%4 == 3 {
			of = "CALLWATCH_ALERTS"
		}
		file, bit, err := flipBit(p.data, of, dice, i%4 < 2)
		if err != nil {
			return err
		}
		p.setenv("CALLWATCH_DATA_DIR", p.data)
		if i%2 == 1 { // as after a crash: the server must read all blocks
			if err := os.Remove(filepath.Join(filepath.Dir(file), "index.db")); err != nil {
				return err
			}
		}
		logged, err := p.log.Seek(0, 2)
		if err != nil {
			return err
		}
		if err := p.start(); err != nil {
			t.say("bit %d of %s: %v", bit, file, err)
			unready++
			p.kill()
			continue
		}
		// Transitions that are lost are stored again, of incidents that were announced.
		if err := p.finished(t.patience(), "judge", "announce"); err != nil {
			return err
		}
		// Older blocks are checked behind the start. Where nothing is named in time, the row says so below.
		var ready string
		_ = p.await("damage is named", min(t.patience(), time.Minute), func() bool {
			_, ready, err = p.get("/readyz?verbose")
			return err == nil && strings.Contains(ready, "integrity")
		})
		if err != nil {
			return err
		}
		if err := p.stop(); err != nil {
			return err
		}
		if said, err := os.ReadFile(p.log.Name()); err != nil {
			return err
		} else if strings.Contains(string(said[logged:]), strings.TrimPrefix(file, p.data+"/")) && strings.Contains(ready, "integrity") {
			named++
		} else {
			t.say("bit %d of %s is not named; readiness: %.300s", bit, strings.TrimPrefix(file, p.data), ready)
		}
		v, err := w.Verify(p.data)
		if err != nil {
			return err
		}
		for _, s := range v.Sample {
			t.say("bit %d of %s: %s", bit, strings.TrimPrefix(file, p.data), s)
		}
		in, out := lostBy(v, file)
		inside.add(in)
		outside.add(out)
		if v.Twice > 0 {
			t.say("bit %d of %s: %d twice", bit, strings.TrimPrefix(file, p.data), v.Twice)
		}
		twice += v.Twice
		if err := os.RemoveAll(p.data); err != nil {
			return err
		}
	}
	t.count("%d bits flipped, %d detected and named, %d starts refused", flips, named, unready)
	t.count("in damaged blocks %d webhooks and %d incidents lost; outside of them %d and %d; twice %d",
		inside.webhooks, inside.incidents, outside.webhooks, outside.incidents, twice)
	if named != flips || outside != (damaged{}) || twice > 0 {
		return fmt.Errorf("%d not named, %d webhooks and %d incidents lost outside the damaged block, %d twice",
			flips-named, outside.webhooks, outside.incidents, twice)
	}
	return nil
}

// damaged is what a flipped bit made callwatch lose.
type damaged struct{ webhooks, incidents int }

func (d *damaged) add(o damaged) {
	d.webhooks, d.incidents = d.webhooks+o.webhooks, d.incidents+o.incidents
}

// lostBy splits what was lost after a flip in a block file by whether the block held
// it. A flip in RAW may cost the one frame that it hit, with the incidents of its
// calls. Transitions that a flip in ALERTS took are stored again: all incidents are open.
func lostBy(v checker.Verdict, file string) (inside, outside damaged) {
	all := damaged{v.Lost, v.Missing + v.Extra}
	switch {
	case strings.Contains(file, "/CALLWATCH_RAW/") && v.Frames <= 1:
		return damaged{v.Lost, v.Extra}, damaged{0, v.Missing}
	default:
		return damaged{}, all
	}
}

// flipBit changes one bit of the block files below dir, or of one stream: each as likely as the
// others, or, with even, each file as likely as the others.
func flipBit(dir, of string, dice *rand.Rand, even bool) (file string, bit int64, err error) {
	var files []string
	var sizes []int64
	var all int64
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".blk" || !strings.Contains(path, of) {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Size() > 0 {
			files, sizes, all = append(files, path), append(sizes, info.Size()), all+info.Size()
		}
		return err
	})
	if err != nil || all == 0 {
		return "", 0, fmt.Errorf("no block files below %s: %w", dir, err)
	}
	if even {
		i := dice.IntN(len(files))
		files, sizes, all = files[i:i+1], sizes[i:i+1], sizes[i]
	}
	bit = dice.Int64N(8 * all)
	i := 0
	for bit >= 8*sizes[i] {
		bit -= 8 * sizes[i]
		i++
	}
	return files[i], bit, spoil(files[i], bit)
}

// spoil flips a bit of a file as a disk does, without changing when it was written.
func spoil(file string, bit int64) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b[bit/8] ^= 1 << (bit % 8)
	return errors.Join(os.WriteFile(file, b, 0o600), os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// fill starts callwatch and sends it a number of calls.
func (p *product) fill(w *checker.Client, calls int, bad float64) error {
	if err := p.start(); err != nil {
		return err
	}
	l, err := p.load(w, 32, bad)
	if err != nil {
		return err
	}
	if l.requests, err = p.traffic(p.t.seed, calls, bad); err != nil {
		return err
	}
	l.begin()
	l.drain()
	return nil
}

// setenv changes a variable for the next start.
func (p *product) setenv(name, value string) {
	for i, v := range p.env {
		if strings.HasPrefix(v, name+"=") {
			p.env[i] = name + "=" + value
			return
		}
	}
	p.env = append(p.env, name+"="+value)
}
