package main

import (
	"hash/fnv"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"callwatch/rules"
)

// shardCount is the number of parts in which the rules' transitions are stored on
// a cluster. It and shardOf are the same in all replicas: another one is another
// format of the store.
const shardCount = 4

// shardOf is the shard of a rule.
func shardOf(rule string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(rule))
	return int(h.Sum32() % shardCount)
}

func shardRole(shard int) string { return judgeRole + "-" + strconv.Itoa(shard) }

// duties are a set of shards, and of judgeDuty: what is to be done once for all of
// them, which is to tick, to save checkpoints and to disable slow rules.
type duties uint32

const (
	judgeDuty duties = 1 << shardCount
	allShards        = judgeDuty - 1
)

func shardDuty(shard int) duties { return 1 << shard }

// shards are those whose transitions this replica stores. Every replica folds all
// events with all rules; a role only decides who stores what comes of it. What
// two of them store at once is stored once, so that nothing hangs on who believes
// to have which role.
type shards struct {
	active  atomic.Uint32 // duties of the fold at work
	through atomic.Uint64 // place up to which that fold has stored what is to be stored
	erased  atomic.Uint64 // calls erased so far that the fold at work does not know

	mu        sync.Mutex
	held      duties
	stored    [shardCount]uint64 // place up to which transitions are stored, whoever did it
	offer     [shardCount]func() // gives the shard to another replica
	anew      func()             // has the fold begin anew with more duties; nil: it has not begun
	others    []int              // shards of each other replica
	spreading bool               // shards were offered to them
}

// has says whether the fold at work has a duty.
func (s *shards) has(d duties) bool { return duties(s.active.Load())&d != 0 }

// begin gives a fold that begins at a checkpoint its duties. anew ends it when
// there are more: those need what was caused since the checkpoint once more.
func (s *shards) begin(at uint64, anew func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.through.Store(at)
	s.active.Store(uint32(s.held))
	s.anew = anew
}

// end takes its duties from the fold, which has ended.
func (s *shards) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest(duties(s.active.Load()))
	s.anew = nil
}

// rest ends duties of the fold at work. What it has in hand does not count as stored.
func (s *shards) rest(d duties) {
	active := duties(s.active.Load())
	for i := range shardCount {
		if active&d&shardDuty(i) != 0 {
			s.stored[i] = max(s.stored[i], s.through.Load())
		}
	}
	s.active.Store(uint32(active &^ d))
}

// take adds a duty that this replica has from now on. Of a shard, stored is how
// far the replicas before came, and offer is called when another is to have it; of
// judgeDuty, stored is how many calls they erased.
func (s *shards) take(d duties, stored uint64, offer func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held |= d
	if d == judgeDuty {
		s.erased.Store(max(s.erased.Load(), stored))
	} else {
		i := bits.TrailingZeros32(uint32(d))
		s.stored[i], s.offer[i] = max(s.stored[i], stored), offer
	}
	if s.anew != nil {
		s.anew()
	}
}

// drop ends a duty that this replica does not have any more.
func (s *shards) drop(d duties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held &^= d
	s.rest(d)
}

// storedThrough is the place up to which the transitions of a shard are stored, as
// far as this replica knows.
func (s *shards) storedThrough(shard int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(shardDuty(shard)) {
		return max(s.stored[shard], s.through.Load())
	}
	return s.stored[shard]
}

// learn takes in how far another replica came with a shard.
func (s *shards) learn(shard int, stored uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored[shard] = max(s.stored[shard], stored)
}

// forget has the fold begin anew, at the checkpoint, when another replica has
// erased a call since it began.
func (s *shards) forget(erased uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if erased <= s.erased.Load() {
		return
	}
	s.erased.Store(erased)
	if s.anew != nil {
		s.anew()
	}
}

// ours are the transitions that this replica stores.
func (s *shards) ours(made []rules.Transition) []rules.Transition {
	active := duties(s.active.Load())
	if len(made) == 0 || active&allShards == allShards {
		return made
	}
	var ours []rules.Transition
	for i := range made {
		if active&shardDuty(shardOf(made[i].Incident.Rule)) != 0 {
			ours = append(ours, made[i])
		}
	}
	return ours
}

func (s *shards) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bits.OnesCount32(uint32(s.held & allShards))
}

// sated says whether another replica has fewer shards than this one.
func (s *shards) sated() bool {
	own := s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.others, func(n int) bool { return n < own })
}

// spread offers shards to others until nobody has two less than this replica. It
// is told how many each of them has.
func (s *shards) spread(others []int) {
	own := s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = others
	if len(others) == 0 || s.spreading { // what was offered last is not counted yet
		s.spreading = false
		return
	}
	over := (own - slices.Min(others)) / 2
	s.spreading = over > 0
	for i := 0; i < shardCount && over > 0; i++ {
		if s.held&shardDuty(i) != 0 {
			s.offer[i]()
			over--
		}
	}
}
