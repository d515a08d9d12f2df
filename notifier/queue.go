package notifier

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// maxParallel is how many channels are served at the same time.
const maxParallel = 8

// Run delivers until ctx ends. A call that has begun is let finish, so that its
// result is known. Receivers do not wait for one another: one that hangs delays
// no other.
func (n *Notifier) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-timer.C:
		}
		jobs, due := n.pick(n.now())
		for _, j := range jobs {
			working.Go(func() {
				n.deliver(ctx, j)
				n.rouse()
			})
		}
		pause := time.Minute
		if !due.IsZero() {
			pause = max(0, min(pause, due.Sub(n.now())))
		}
		timer.Reset(pause)
	}
}

// Deliver makes the calls that are due now and returns when the next one will
// be, zero for none. It is for callers with a clock of their own; Run is not to be
// used beside it.
func (n *Notifier) Deliver(ctx context.Context) time.Time {
	for ctx.Err() == nil {
		jobs, due := n.pick(n.now())
		if len(jobs) == 0 {
			return due
		}
		var all sync.WaitGroup
		for _, j := range jobs {
			all.Go(func() { n.deliver(ctx, j) })
		}
		all.Wait()
	}
	return time.Time{}
}

// job is one action at work, with its own copy of the thread's page.
type job struct {
	thread *thread
	lane   *lane

	workspace *workspace // nil for an output
	act       Action
	page      page
	want      Want
	now       time.Time

	looks     int
	search    Search
	notBefore time.Time
	unsaved   bool
	moved     *page // where the incident is announced instead
	ok        bool  // the receiver took it
}

// pick takes what is due: the most urgent action of each channel, the oldest
// first among equals. It returns when the next one is due where none is.
func (n *Notifier) pick(now time.Time) (jobs []*job, next time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next = n.endStorms(now)
	free := maxParallel
	for _, l := range n.lanes {
		if l.busy {
			free--
		}
	}
	var ready []*thread
	for _, th := range n.threads {
		switch due := n.due(th, now); {
		case th.busy:
		case !due.After(now):
			ready = append(ready, th)
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	slices.SortFunc(ready, func(a, b *thread) int {
		return cmp.Or(cmp.Compare(first(a.acts), first(b.acts)), cmp.Compare(a.seq, b.seq), cmp.Compare(a.page.key, b.page.key))
	})
	for _, th := range ready {
		due := n.due(th, now) // what went before may have taken the token
		if l := n.lane(th.page.Channel); !l.busy && !due.After(now) && len(jobs) < free {
			jobs = append(jobs, n.take(th, l, now))
		}
	}
	return jobs, next
}

// due is when the thread's next action may be taken.
func (n *Notifier) due(th *thread, now time.Time) time.Time {
	l := n.lane(th.page.Channel)
	due := Later(th.notBefore, l.closed)
	if len(th.acts) == 0 {
		if th.unsaved {
			return due
		}
		return never(now) // a storm that nothing is to be told of now
	}
	due = Later(due, th.acts[0].Due)
	do := th.acts[0].Do
	if do == post || do == Push {
		due = Later(due, l.posts.due(now))
	}
	if th.sink != nil {
		return due
	}
	ws := n.workspace(th.page.Channel)
	if do == edit {
		due = Later(due, ws.edits.due(now))
	}
	return Later(due, ws.gates[do])
}

// never is later than anything that will be asked for.
func never(now time.Time) time.Time { return now.Add(1000 * time.Hour) }

func (n *Notifier) take(th *thread, l *lane, now time.Time) *job {
	j := &job{thread: th, lane: l, page: th.page, want: th.want, now: now, looks: th.looks, search: th.search, unsaved: th.unsaved}
	j.page.Record = th.page.clone()
	j.want.Lines = slices.Clone(th.want.Lines)
	if th.sink == nil {
		j.workspace = n.workspace(th.page.Channel)
	}
	if len(th.acts) > 0 {
		j.act = th.acts[0]
		switch j.act.Do {
		case post, Push:
			l.posts.take(now)
		case edit:
			j.workspace.edits.take(now)
		}
	}
	th.busy, l.busy = true, true
	return j
}

func (n *Notifier) lane(channel string) *lane {
	l := n.lanes[channel]
	if l == nil {
		every := time.Duration(float64(time.Second) / n.cfg.Rate)
		if s := n.sinks[channel]; s != nil {
			every = s.Every()
		}
		l = &lane{
			posts:  bucket{every: every, burst: 1},
			status: ChannelStatus{Channel: channel},
		}
		n.lanes[channel] = l
	}
	return l
}

// finish stores a job's result and plans again: transitions may have come in
// while it was at work.
func (n *Notifier) finish(j *job) {
	n.mu.Lock()
	defer n.mu.Unlock()
	th := j.thread
	th.page, th.looks, th.search, th.notBefore, th.unsaved = j.page, j.looks, j.search, j.notBefore, j.unsaved
	th.busy, j.lane.busy = false, false
	if j.ok {
		th.waiting = time.Time{}
	}
	if j.moved != nil {
		delete(n.threads, th.page.key)
		moved := n.start(*j.moved, th.seq, th.want)
		if moved.storm = th.storm; th.storm != nil {
			th.storm.thread = moved
		}
		return
	}
	n.replan(th)
}
