package output

import (
	"bytes"
	"encoding/json"
	"fmt"

	"callwatch/notifier/mask"
)

// maskJSON masks the phone numbers in the strings of a JSON text. known are
// numbers that it may name in any form.
func maskJSON(text []byte, known ...string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return json.Marshal(maskTree("", v, known))
}

func maskTree(name string, v any, known []string) any {
	switch v := v.(type) {
	case string:
		if name == "from" || name == "to" {
			return mask.Number(v)
		}
		return mask.Text(v, known...)
	case []any:
		for i := range v {
			v[i] = maskTree(name, v[i], known)
		}
	case map[string]any:
		by, _ := v["name"].(string) // a part of the key: {"name": "from", "value": ...}
		for k := range v {
			if k == "value" && (by == "from" || by == "to") {
				v[k] = maskTree(by, v[k], known)
				continue
			}
			v[k] = maskTree(k, v[k], known)
		}
	}
	return v
}
