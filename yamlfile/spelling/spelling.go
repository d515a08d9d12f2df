// Package spelling finds the word that a mistyped one was probably meant to be.
package spelling

import (
	"cmp"
	"slices"
	"strings"
)

// maxWord is the longest word for which a meant one is looked for, in bytes.
const maxWord = 64

// Nearest is the candidate closest to a word: the same but for case, one that it
// begins, one a few typing errors away, or one that it is a part of; "" for none.
func Nearest(word string, candidates []string) string {
	type scored struct {
		name  string
		score int
	}
	var best []scored
	if len(word) > maxWord {
		return ""
	}
	low := strings.ToLower(word)
	for _, name := range candidates {
		other := strings.ToLower(name)
		distance := distance(low, other)
		switch {
		case other == low:
			best = append(best, scored{name, 0})
		case distance == 1 && len(low) > 2:
			best = append(best, scored{name, 1})
		case len(low) >= 3 && strings.HasPrefix(other, low):
			best = append(best, scored{name, 100 + len(other)})
		case distance <= len(low)/3:
			best = append(best, scored{name, 10 + distance})
		case len(low) >= 4 && beginsAlmost(other, low):
			best = append(best, scored{name, 200 + len(other)})
		case len(low) >= 4 && strings.Contains(other, low), len(other) >= 4 && strings.HasPrefix(low, other):
			best = append(best, scored{name, 1000 + len(other)})
		}
	}
	if len(best) == 0 {
		return ""
	}
	return slices.MinFunc(best, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.name, b.name))
	}).name
}

// beginsAlmost says whether a name begins with the word but for one typing error.
func beginsAlmost(name, word string) bool {
	for n := len(word) - 1; n <= len(word)+1 && n <= len(name); n++ {
		if distance(word, name[:n]) == 1 {
			return true
		}
	}
	return false
}

// distance is the number of typing errors between two words: letters added, left
// out, replaced, or exchanged with their neighbour.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
