package main

import (
	"context"
	"errors"
	"time"

	"callwatch/stream"
)

// chargeWait is longer than the roles of replicas that died are waited for.
const chargeWait = 10 * time.Second

var errOthersWork = errors.New("a callwatch works on this NATS store: have it do this, with --url")

// inCharge runs fn while no replica normalizes or saves the state of the rules:
// this process has their roles. Where a callwatch runs on the store it refuses.
func (a *app) inCharge(ctx context.Context, fn func(context.Context) error) error {
	taking, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	waiting := time.AfterFunc(chargeWait, func() { giveUp(errOthersWork) })
	defer waiting.Stop()
	judge := stream.Lease{Name: judgeRole, Watermark: a.erased.Load}
	err := a.leading(normalizeRole, func(ctx context.Context) error {
		return a.store.Hold(ctx, judge, func(ctx context.Context, erased uint64) error {
			if !waiting.Stop() {
				return errOthersWork
			}
			a.erased.Store(erased)
			a.roles.set(judgeRole, true)
			return fn(ctx)
		})
	})(taking)
	if errors.Is(context.Cause(taking), errOthersWork) {
		return refuse("%w", errOthersWork)
	}
	return err
}
