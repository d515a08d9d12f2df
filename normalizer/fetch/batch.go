package fetch

import (
	"context"
	"encoding/json"

	"callwatch/normalizer"
)

// DoAll sends several requests, those that can be joined in one, and gives an
// answer to each, in their order. An error means that nothing was learned of any.
func (c *Client) DoAll(ctx context.Context, asks []normalizer.Ask) ([]Answer, error) {
	answers := make([]Answer, len(asks))
	var alone []int
	for _, group := range c.groups(asks) {
		if len(group) == 1 {
			alone = append(alone, group[0])
			continue
		}
		ok, err := c.joined(ctx, asks, group, answers)
		if err != nil {
			return nil, err
		}
		if !ok { // one odd call must not cost the others theirs
			alone = append(alone, group...)
		}
	}
	for _, i := range alone {
		var err error
		if answers[i], err = c.Do(ctx, asks[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// groups are the places of requests that go together: each call once in a group.
func (c *Client) groups(asks []normalizer.Ask) [][]int {
	b := c.rest.Batch
	var groups [][]int
	var group []int
	calls := map[string]bool{}
	for i, a := range asks {
		if b == nil || !b.Fits(a) || calls[a.CallID] {
			groups = append(groups, []int{i})
			continue
		}
		group, calls[a.CallID] = append(group, i), true
		if len(group) == b.Max {
			groups, group, calls = append(groups, group), nil, map[string]bool{}
		}
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}

// joined asks for a group at once. ok is false where the answer makes no sense.
func (c *Client) joined(ctx context.Context, asks []normalizer.Ask, group []int, answers []Answer) (ok bool, err error) {
	var together []normalizer.Ask
	for _, i := range group {
		together = append(together, asks[i])
	}
	answer, err := c.List(ctx, c.rest.Batch.Join(together))
	if err != nil {
		return false, err
	}
	if answer.Outcome == Broken || answer.Outcome == NotYet {
		return false, nil
	}
	var bodies map[string][]byte
	if answer.Outcome == Ready {
		if bodies, err = c.rest.Batch.Split(answer.Body); err != nil {
			return false, nil
		}
	}
	for _, i := range group {
		answers[i] = answer
		if answer.Outcome != Ready {
			continue
		}
		body := bodies[asks[i].CallID]
		answers[i].Outcome, answers[i].Body = NotYet, nil
		if json.Valid(body) {
			answers[i].Outcome, answers[i].Body = outcomeOf(c.rest.Holds(asks[i], body)), body
		}
		if answers[i].Outcome == NotYet {
			answers[i].Body, answers[i].Reason = nil, "nothing there yet"
		}
	}
	return true, nil
}
