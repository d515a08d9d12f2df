package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows a person how far long work has come; nil shows nothing.
type Progress struct{ bar *progressbar.ProgressBar }

// NewProgress is a bar on w where that is a terminal.
func NewProgress(w io.Writer) *Progress {
	f, ok := raw(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &Progress{progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(f), progressbar.OptionSetDescription("reading"),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowElapsedTimeOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
	)}
}

// At says how much is done of a total; 0: not known.
func (p *Progress) At(done, total int64) {
	if p == nil {
		return
	}
	if total > 0 && p.bar.GetMax64() != total {
		p.bar.ChangeMax64(total)
	}
	_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to fail
}

// End takes the bar away.
func (p *Progress) End() {
	if p != nil {
		_ = p.bar.Clear()
	}
}
