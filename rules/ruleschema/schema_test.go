package ruleschema

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"callwatch/rules/rulefmt"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const schemaFile = "../../rules.schema.json"

// The schema that editors read is the one that the loader gives.
func TestSchemaIsCheckedIn(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("write it again with: go test ./rules/ruleschema -run Schema -update\n%s", diff)
	}
}

// Each mapping of the loader has a name in the schema, and each rule key that is
// described is one the loader takes.
func TestSchemaNamesEveryMapping(t *testing.T) {
	taken := rulefmt.Keys()
	for key := range schemaKeys()["a rule"] {
		if !slices.Contains(taken["a rule"], key) {
			t.Errorf("the loader does not take %s", key)
		}
	}
	for what := range taken {
		if mappingNames()[what] == "" {
			t.Errorf("%s is not in the schema", what)
		}
	}
	if len(taken) < 9 {
		t.Errorf("the specimen shows %d mappings only", len(taken))
	}
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	src, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rules.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, file string) error {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(bytes.TrimPrefix(src, []byte("\ufeff")), &v); err != nil {
		t.Fatal(file, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc)
}

// What the loader takes the schema takes.
func TestSchemaAccepts(t *testing.T) {
	schema := compiledSchema(t)
	files, err := filepath.Glob("../rulefmt/testdata/accepted/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var all strings.Builder
	for _, file := range append(files, "../../rules.yaml") {
		if _, problems, err := rulefmt.LoadFile(file); err != nil || problems.Errors() {
			t.Errorf("%s: the loader: %v %v", file, err, problems)
		}
		if err := validate(t, schema, file); err != nil {
			t.Errorf("%s: the schema: %v", file, err)
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(src)
	}
	for what, names := range rulefmt.Keys() {
		for _, key := range names {
			if !regexp.MustCompile(`\b` + key + `:`).MatchString(all.String()) {
				t.Errorf("no file in testdata/accepted has the key %s of %s", key, what)
			}
		}
	}
}

// What is wrong in form with a file that the loader refuses, the schema refuses
// too, so that an editor tells at once. Expressions are the loader's alone.
func TestSchemaRefuses(t *testing.T) {
	schema := compiledSchema(t)
	form := map[string]bool{
		"unknown-key": true, "unknown-word": true, "unknown-field": false, "bad-channel": true,
		"bad-duration": true, "bad-range": true, "empty-condition": true, "no-name": true,
	}
	refused := 0
	files, err := filepath.Glob("../rulefmt/testdata/refused/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		_, problems, err := rulefmt.LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ofForm, readable := false, true
		for _, p := range problems {
			ofForm = ofForm || form[p.Code]
			readable = readable && p.Code != "yaml-syntax" && p.Code != "duplicate-key" && p.Code != "yaml-tag"
		}
		if !ofForm || !readable {
			continue
		}
		refused++
		if validate(t, schema, file) == nil {
			t.Errorf("%s: accepted by the schema\n%s", file, problems)
		}
	}
	if refused < 5 {
		t.Errorf("only %d files put it to the test", refused)
	}
}
