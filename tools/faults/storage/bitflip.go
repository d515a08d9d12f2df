package storage

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
	"callwatch/tools/faults/rig"
)

// Bitflip flips one bit somewhere in the block files of a closed store, and looks
// at what callwatch makes of it, under a memory limit: a flipped sequence can make
// the server take all there is.
func Bitflip(t *rig.Trial) error {
	w, err := checker.Start(t.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	p, err := t.Install(w)
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := p.Fill(w, map[bool]int{true: 200, false: 1000}[t.Short], 0.7); err != nil {
		return err
	}
	if err := p.Settled(5 * time.Minute); err != nil {
		return err
	}
	if err := p.Stop(); err != nil {
		return err
	}
	pristine := p.Data
	dice := rand.New(rand.NewPCG(t.Seed, 7))
	p.Wrap = []string{"sh", "-c", `ulimit -v 6000000; exec "$@"`, "sh"}
	flips, named, twice, unready := t.Times(8, 200), 0, 0, 0
	var inside, outside damaged
	for i := range flips {
		p.Data = filepath.Join(t.Dir, fmt.Sprintf("flip-%d", i))
		if err := os.CopyFS(p.Data, os.DirFS(pristine)); err != nil {
			return err
		}
		of := ""
		if i%4 == 3 {
			of = "CALLWATCH_ALERTS"
		}
		file, bit, err := flipBit(p.Data, of, dice, i%4 < 2)
		if err != nil {
			return err
		}
		p.Setenv("CALLWATCH_DATA_DIR", p.Data)
		if i%2 == 1 { // as after a crash: the server must read all blocks
			if err := os.Remove(filepath.Join(filepath.Dir(file), "index.db")); err != nil {
				return err
			}
		}
		logged, err := p.Log.Seek(0, 2)
		if err != nil {
			return err
		}
		if err := p.Start(); err != nil {
			t.Say("bit %d of %s: %v", bit, file, err)
			unready++
			p.Kill()
			continue
		}
		// Transitions that are lost are stored again, of incidents that were announced.
		if err := p.Finished(t.Patience(), "judge", "announce"); err != nil {
			return err
		}
		// Older blocks are checked behind the start. Where nothing is named in time, the row says so below.
		var ready string
		_ = p.Await("damage is named", min(t.Patience(), time.Minute), func() bool {
			_, ready, err = p.Get("/readyz?verbose")
			return err == nil && strings.Contains(ready, "integrity")
		})
		if err != nil {
			return err
		}
		if err := p.Stop(); err != nil {
			return err
		}
		if said, err := os.ReadFile(p.Log.Name()); err != nil {
			return err
		} else if strings.Contains(string(said[logged:]), strings.TrimPrefix(file, p.Data+"/")) && strings.Contains(ready, "integrity") {
			named++
		} else {
			t.Say("bit %d of %s is not named; readiness: %.300s", bit, strings.TrimPrefix(file, p.Data), ready)
		}
		v, err := w.Verify(p.Data)
		if err != nil {
			return err
		}
		for _, s := range v.Sample {
			t.Say("bit %d of %s: %s", bit, strings.TrimPrefix(file, p.Data), s)
		}
		in, out := lostBy(v, file)
		inside.add(in)
		outside.add(out)
		if v.Twice > 0 {
			t.Say("bit %d of %s: %d twice", bit, strings.TrimPrefix(file, p.Data), v.Twice)
		}
		twice += v.Twice
		if err := os.RemoveAll(p.Data); err != nil {
			return err
		}
	}
	t.Count("%d bits flipped, %d detected and named, %d starts refused", flips, named, unready)
	t.Count("in damaged blocks %d webhooks and %d incidents lost; outside of them %d and %d; twice %d",
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
