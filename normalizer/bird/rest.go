package bird

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// Settings of Bird's REST APIs. A key of the 2026 platform names its region:
// bk_{region}_...
const (
	accessKey   = "ACCESS_KEY"
	workspaceID = "WORKSPACE_ID"
	platformKey = "bk_"
)

// restAPI asks the CRM for insights and call, and the 2026 platform for the call.
// Which of the two is decided by the key.
func restAPI() *normalizer.REST {
	return &normalizer.REST{
		Base: base,
		Needs: func(k normalizer.Keys) []string {
			if onPlatform(k) {
				return []string{accessKey}
			}
			return []string{accessKey, workspaceID}
		},
		Authorize: func(h http.Header, k normalizer.Keys) {
			scheme := "AccessKey "
			if onPlatform(k) {
				scheme = "Bearer "
			}
			h.Set("Authorization", scheme+k.First(accessKey))
		},
		Rate:     10, // not documented; the legacy API allows 50
		Delays:   []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute},
		Wants:    wants,
		Holds:    holds,
		Complete: normalizer.IsFinal,
		Calls:    lists,
	}
}

func onPlatform(k normalizer.Keys) bool { return strings.HasPrefix(k.First(accessKey), platformKey) }

func base(k normalizer.Keys) string {
	if !onPlatform(k) {
		return "https://api.bird.com"
	}
	region, _, ok := strings.Cut(strings.TrimPrefix(k.First(accessKey), platformKey), "_")
	if !ok || region == "" || len(region) > 16 || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "https://api.bird.com/v1"
	}
	return "https://" + region + ".platform.bird.com/v1"
}

// wants asks after the end of a call. Without the channel, which only the
// webhook names, the call is looked for in all of them.
func wants(e *call.Event, k normalizer.Keys) []normalizer.Ask {
	platform := strings.HasPrefix(e.CallID, callPrefix)
	if e.Kind != call.Ended || e.Final || platform != onPlatform(k) {
		return nil
	}
	if platform {
		return normalizer.AskAbout(e.CallID, "/voice/calls/%s", e.CallID)
	}
	workspace := k.First(workspaceID)
	if e.ConnectionID == "" {
		asks := normalizer.AskAbout(e.CallID, "/workspaces/%s/channels/calls", workspace)
		for i := range asks {
			asks[i].Query = url.Values{"id": {e.CallID}}
		}
		return asks
	}
	return append(insights(e.CallID, workspace, e.ConnectionID),
		normalizer.AskAbout(e.CallID, "/workspaces/%s/channels/%s/calls/%s", workspace, e.ConnectionID, e.CallID)...)
}

func insights(callID, workspace, channel string) []normalizer.Ask {
	return normalizer.AskAbout(callID, "/workspaces/%s/channels/%s/calls/%s/insights", workspace, channel, callID)
}

// holds: of the call itself no figures are expected, the insights have them.
func holds(a normalizer.Ask, answer []byte) normalizer.Holding {
	held := normalizer.HoldingOf(normalizeBird, normalizer.IsFinal)(a, answer)
	if held == normalizer.Part && strings.HasPrefix(a.Path, "/workspaces/") && !strings.HasSuffix(a.Path, "/insights") && len(a.Query) == 0 {
		return normalizer.Whole
	}
	return held
}

func lists(k normalizer.Keys) []normalizer.Listing {
	if onPlatform(k) {
		return []normalizer.Listing{platformList()}
	}
	workspace := normalizer.PathSegment(k.First(workspaceID))
	if workspace == "" {
		return nil
	}
	return []normalizer.Listing{{
		Name:    "calls of all channels",
		Filters: []string{"channelId[]", "status", "type", "to", "from", "duration", "direction", "id", "tag[]"},
		First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
			q := url.Values{"limit": {normalizer.PageSize}}
			normalizer.SetTime(q, "startAt", since)
			normalizer.SetTime(q, "endAt", until)
			return normalizer.Ask{Path: "/workspaces/" + workspace + "/channels/calls", Query: q}
		},
		Page: func(this normalizer.Ask, answer []byte, _ time.Time, k normalizer.Keys) (normalizer.Page, error) {
			whole, records, err := normalizer.PageOf(answer, "results")
			if err != nil {
				return normalizer.Page{}, err
			}
			page := normalizer.Page{Calls: normalizer.CallsOf(records, func(n lenient.Node) normalizer.Listed { return listed(n, k) })}
			page.Next, err = this.Continued("pageToken", whole.At("nextPageToken"))
			return page, err
		},
	}}
}

// listed asks for the insights of a call that is over and came without.
func listed(n lenient.Node, k normalizer.Keys) normalizer.Listed {
	e := birdCall(n, "")
	l := normalizer.Listed{CallID: e.CallID, At: normalizer.FirstTime(e.EndedAt, e.StartedAt), Over: over(&e)}
	if l.Over && !e.Final {
		l.Asks = insights(l.CallID, k.First(workspaceID), e.ConnectionID)
		if e.ConnectionID == "" {
			l.Asks = nil
		}
	}
	return l
}

func platformList() normalizer.Listing {
	return normalizer.Listing{
		Name:    "voice calls",
		Filters: []string{"direction", "status", "session_id", "sip_trunk_id", "from", "to", "number"},
		First: func(since, until time.Time, _ normalizer.Keys) normalizer.Ask {
			q := url.Values{"limit": {normalizer.PageSize}}
			normalizer.SetTime(q, "started_after", since)
			normalizer.SetTime(q, "started_before", until)
			return normalizer.Ask{Path: "/voice/calls", Query: q}
		},
		Page: func(this normalizer.Ask, answer []byte, _ time.Time, _ normalizer.Keys) (normalizer.Page, error) {
			whole, records, err := normalizer.PageOf(answer, "data")
			if err != nil {
				return normalizer.Page{}, err
			}
			page := normalizer.Page{Calls: normalizer.CallsOf(records, func(n lenient.Node) normalizer.Listed {
				e, err := platform(n)
				if err != nil {
					return normalizer.Listed{}
				}
				return normalizer.Listed{CallID: e.CallID, At: normalizer.FirstTime(e.EndedAt, e.StartedAt), Over: over(&e)}
			})}
			page.Next, err = this.Continued("starting_after", whole.At("next_cursor"))
			return page, err
		},
	}
}
