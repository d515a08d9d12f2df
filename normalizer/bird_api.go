package normalizer

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"callwatch/call"
)

// Settings of Bird's REST APIs. A key of the 2026 platform names its region:
// bk_{region}_...
const (
	birdAccessKey   = "ACCESS_KEY"
	birdWorkspaceID = "WORKSPACE_ID"
	birdPlatformKey = "bk_"
)

// birdAPI asks the CRM for insights and call, and the 2026 platform for the call.
// Which of the two is decided by the key.
func birdAPI() *REST {
	return &REST{
		Base: birdBase,
		Needs: func(k Keys) []string {
			if birdOnPlatform(k) {
				return []string{birdAccessKey}
			}
			return []string{birdAccessKey, birdWorkspaceID}
		},
		Authorize: func(h http.Header, k Keys) {
			scheme := "AccessKey "
			if birdOnPlatform(k) {
				scheme = "Bearer "
			}
			h.Set("Authorization", scheme+k.first(birdAccessKey))
		},
		Rate:     10, // not documented; the legacy API allows 50
		Delays:   []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute},
		Wants:    birdWants,
		Holds:    birdHolds,
		Complete: isFinal,
		Calls:    birdLists,
	}
}

func birdOnPlatform(k Keys) bool { return strings.HasPrefix(k.first(birdAccessKey), birdPlatformKey) }

func birdBase(k Keys) string {
	if !birdOnPlatform(k) {
		return "https://api.bird.com"
	}
	region, _, ok := strings.Cut(strings.TrimPrefix(k.first(birdAccessKey), birdPlatformKey), "_")
	if !ok || region == "" || len(region) > 16 || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "https://api.bird.com/v1"
	}
	return "https://" + region + ".platform.bird.com/v1"
}

// birdWants asks after the end of a call. Without the channel, which only the
// webhook names, the call is looked for in all of them.
func birdWants(e *call.Event, k Keys) []Ask {
	platform := strings.HasPrefix(e.CallID, birdCallPrefix)
	if e.Kind != call.Ended || e.Final || platform != birdOnPlatform(k) {
		return nil
	}
	if platform {
		return about(e.CallID, "/voice/calls/%s", e.CallID)
	}
	workspace := k.first(birdWorkspaceID)
	if e.ConnectionID == "" {
		asks := about(e.CallID, "/workspaces/%s/channels/calls", workspace)
		for i := range asks {
			asks[i].Query = url.Values{"id": {e.CallID}}
		}
		return asks
	}
	return append(birdInsights(e.CallID, workspace, e.ConnectionID),
		about(e.CallID, "/workspaces/%s/channels/%s/calls/%s", workspace, e.ConnectionID, e.CallID)...)
}

func birdInsights(callID, workspace, channel string) []Ask {
	return about(callID, "/workspaces/%s/channels/%s/calls/%s/insights", workspace, channel, callID)
}

// birdHolds: of the call itself no figures are expected, the insights have them.
func birdHolds(a Ask, answer []byte) Holding {
	held := holding(normalizeBird, isFinal)(a, answer)
	if held == Part && strings.HasPrefix(a.Path, "/workspaces/") && !strings.HasSuffix(a.Path, "/insights") && len(a.Query) == 0 {
		return Whole
	}
	return held
}

func birdLists(k Keys) []Listing {
	if birdOnPlatform(k) {
		return []Listing{birdPlatformList()}
	}
	workspace := segment(k.first(birdWorkspaceID))
	if workspace == "" {
		return nil
	}
	return []Listing{{
		Name:    "calls of all channels",
		Filters: []string{"channelId[]", "status", "type", "to", "from", "duration", "direction", "id", "tag[]"},
		First: func(since, until time.Time, _ Keys) Ask {
			q := url.Values{"limit": {pageSize}}
			setTime(q, "startAt", since)
			setTime(q, "endAt", until)
			return Ask{Path: "/workspaces/" + workspace + "/channels/calls", Query: q}
		},
		Page: func(this Ask, answer []byte, _ time.Time, k Keys) (Page, error) {
			whole, records, err := pageOf(answer, "results")
			if err != nil {
				return Page{}, err
			}
			page := Page{Calls: listed(records, func(n node) Listed { return birdListed(n, k) })}
			page.Next, err = this.continued("pageToken", whole.at("nextPageToken"))
			return page, err
		},
	}}
}

// birdListed asks for the insights of a call that is over and came without.
func birdListed(n node, k Keys) Listed {
	e := birdCall(n, "")
	l := Listed{CallID: e.CallID, At: firstTime(e.EndedAt, e.StartedAt), Over: birdOver(&e)}
	if l.Over && !e.Final {
		l.Asks = birdInsights(l.CallID, k.first(birdWorkspaceID), e.ConnectionID)
		if e.ConnectionID == "" {
			l.Asks = nil
		}
	}
	return l
}

func birdPlatformList() Listing {
	return Listing{
		Name:    "voice calls",
		Filters: []string{"direction", "status", "session_id", "sip_trunk_id", "from", "to", "number"},
		First: func(since, until time.Time, _ Keys) Ask {
			q := url.Values{"limit": {pageSize}}
			setTime(q, "started_after", since)
			setTime(q, "started_before", until)
			return Ask{Path: "/voice/calls", Query: q}
		},
		Page: func(this Ask, answer []byte, _ time.Time, _ Keys) (Page, error) {
			whole, records, err := pageOf(answer, "data")
			if err != nil {
				return Page{}, err
			}
			page := Page{Calls: listed(records, func(n node) Listed {
				e, err := birdPlatform(n)
				if err != nil {
					return Listed{}
				}
				return Listed{CallID: e.CallID, At: firstTime(e.EndedAt, e.StartedAt), Over: birdOver(&e)}
			})}
			page.Next, err = this.continued("starting_after", whole.at("next_cursor"))
			return page, err
		},
	}
}
