package slack

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Manifest is the description of the Slack app callwatch needs, as JSON for
// Slack's "Create an app from a manifest". Clicks arrive at the path under the address
// public (scheme and host) by HTTP, or over Socket Mode where it is "". groups adds the
// scope for an allow-list of user groups.
func Manifest(public, path string, groups bool) ([]byte, error) {
	type object map[string]any
	bot := scopes()
	if groups {
		bot = append(bot, groupScope)
	}
	interactivity := object{"is_enabled": true}
	if public != "" {
		u, err := url.Parse(public)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%q is not an https address: Slack calls no other", public)
		}
		interactivity["request_url"] = strings.TrimRight(public, "/") + path
	}
	manifest, err := json.MarshalIndent(object{
		"display_information": object{
			"name": "callwatch", "description": "One live thread per incident of your voice calls", "background_color": "#1d3a4a",
		},
		"features":     object{"bot_user": object{"display_name": "callwatch", "always_online": true}},
		"oauth_config": object{"scopes": object{"bot": bot}},
		"settings": object{
			"interactivity":          interactivity,
			"org_deploy_enabled":     false,
			"socket_mode_enabled":    public == "",
			"token_rotation_enabled": false,
		},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return append(manifest, '\n'), nil
}
