package declared

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"callwatch/call"
	"callwatch/normalizer/declared/signing"
)

type node = map[string]any

// Schema is the JSON Schema (draft 7) of a declaration.
func Schema() ([]byte, error) {
	root := SchemaNode()
	root["$schema"], root["title"] = "http://json-schema.org/draft-07/schema#", "callwatch provider"
	root["required"] = []string{"verify", "events"}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(root)
	return b.Bytes(), err
}

// SchemaNode describes a declaration within another schema.
func SchemaNode() node {
	text := func(doc string) node { return node{"type": "string", "description": doc} }
	expression := func(doc string) node {
		return node{"type": []string{"string", "number", "boolean"}, "description": doc + " (an expression)"}
	}
	words := func(doc string, of ...string) node { return node{"enum": of, "description": doc} }
	texts := func(doc string) node {
		return node{"anyOf": []node{{"type": "string"}, {"type": "array", "items": node{"type": "string"}}}, "description": doc}
	}
	object := func(doc string, properties node) node {
		return node{"type": "object", "additionalProperties": false, "properties": properties, "description": doc}
	}
	values := func(doc string, each node) node {
		return node{"type": "object", "additionalProperties": each, "description": doc}
	}
	set := node{}
	for _, name := range fieldNames() {
		f, _ := settable(name)
		doc := f.Doc
		if f.Unit != "" {
			doc += ", in " + f.Unit
		}
		set[name] = expression(doc)
	}
	turns := node{}
	for name, f := range turnFields() {
		turns[name] = expression(f.Doc + ", in ms")
	}
	parts := node{}
	for name, f := range intervalFields() {
		parts[name] = expression(f.Doc)
	}
	setting := text("name of a setting in upper case: CALLWATCH_<NAME>_<SETTING>, or the file that ..._FILE names; a list during rotation")
	header := text("name of the header")
	tolerance := text("how old a request may be, such as 5m")
	prefix := text("what comes before the signature or token")
	signed := node{
		"secret": setting, "header": header, "prefix": prefix, "tolerance": tolerance,
		"encoding":  words("of the signature", "hex", "base64", "base64url"),
		"format":    text("how the header reads, such as t={timestamp},v1={signature}"),
		"signed":    text("what is signed: {body} {url} {path} {form} {sha256} {method} {timestamp} {id} {nonce}"),
		"timestamp": object("header of the timestamp", node{"header": header, "unit": words("", "s", "ms")}),
		"key":       words("how the secret is written", "text", "hex", "base64"),
	}
	hmac := maps.Clone(signed)
	hmac["algorithm"] = words("", slices.Sorted(maps.Keys(signing.Digests()))...)
	schemes := object("how webhooks are verified: each scheme whose secret is set", node{
		signing.HMAC: object("HMAC", hmac), signing.Ed25519: object("Ed25519", signed),
		signing.JWT: object("JSON Web Token that carries the digest of the body", node{
			"secret": setting, "header": header, "prefix": prefix, "tolerance": tolerance,
			"algorithm": words("", "HS256", "HS384", "HS512"), "body": text("claim with the SHA-256 of the body"),
		}),
		signing.Standard: object("Standard Webhooks", node{"secret": setting, "tolerance": tolerance}),
		signing.Basic:    object("basic authentication", node{"secret": setting, "user": setting}),
		signing.Token:    object("bearer token, or a token in a header", node{"secret": setting, "header": header, "prefix": prefix}),
	})
	kinds := []string{string(call.Progress), string(call.Stats), string(call.Ended), string(call.Report)}
	mapping := object("fields of the call", set)
	query := values("parameters", node{"type": []string{"string", "number"}})
	return object("a provider", node{
		"name": text("the name of the file"), "title": text("as people write it"), "doc": text("what it is"),
		"settings": values("where the values of settings are found", node{"type": "string"}),
		"headers":  texts("request headers that mappings read as header[\"name\"]"),
		"verify":   node{"anyOf": []node{schemes, {"type": "array", "items": schemes}, {"const": "none"}}},
		"body": object("how a body is read", node{
			"format": words("", "json", "form", "any"), "each": text("path of the list of records"), "json": texts("paths of texts that hold JSON"),
			"id": expression("identity of the delivery"), "raw": text("path of the object that is kept as raw"), "without": texts("members that raw leaves out"),
		}),
		"set": mapping,
		"events": node{"type": "array", "items": object("one kind of record; the first whose condition holds counts", node{
			"name": text(""), "when": expression("condition"), "kind": words("", kinds...), "final": expression("nothing more is expected for the call"),
			"set": mapping, "segment": expression("number of the report, from 0"), "counters": words("packet counters count since the start of the stream", "cumulative", "own"),
			"intervals": object("figures per interval", node{"each": text("path of the list"), "set": object("", parts)}),
			"turns":     object("how long the stages of an agent's answers took", node{"each": text("path of the list"), "set": object("", turns)}),
		})},
		"ignore":    expression("records that are acknowledged and ignored"),
		"otherwise": words("what becomes of a record that no event is for", "refuse", "ignore"),
		"causes":    values("the provider's words for the end of a call: class, and severity (harmless, info, warning, critical)", node{"type": "string"}),
		"fetch": object("how a report is asked for", node{
			"base": text("address of the API"), "method": words("", "GET", "POST"), "path": text("such as /calls/{callId}"), "query": query, "body": node{"description": "JSON body of a POST"},
			"auth": object("", node{"bearer": setting, "basic": setting, "user": setting, "header": header, "secret": setting, "prefix": prefix}),
			"rate": node{"type": "number"}, "delays": texts("pauses before each attempt"), "after": node{"type": "array", "items": words("", kinds...)},
			"pending": expression("the answer says that the report is not there yet"),
			"list": object("the list of past calls, for import", node{
				"path": text(""), "query": query, "items": text("path of the list"), "id": expression("id of the call"), "at": expression("when the call was"),
				"over": expression("the call has ended"), "next": expression("cursor or address of the next page"), "param": text("parameter of the cursor"),
			}),
		}),
		"tests": node{"type": "array", "items": object("a body and the events it becomes", node{
			"name": text(""), "body": node{}, "form": values("", node{}), "text": text(""), "file": text(""), "type": text("content type"), "headers": values("", node{"type": "string"}),
			"source": words("", "webhook", "fetch", "import"), "callId": text(""), "want": node{}, "error": text(""), "shows": texts("faults, for simulate"),
		})},
	})
}
