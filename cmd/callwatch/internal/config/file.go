package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"callwatch"
	"callwatch/normalizer/declared"
	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
)

// defaultFile is the configuration file where none is named.
const defaultFile = "callwatch.yaml"

// fileReader reads callwatch.yaml into the fields of Config and keeps where each setting is.
type fileReader struct {
	*yamlfile.Document
	src    []byte
	config *Config
	places map[string]place // by path, such as slack.rate
}

// place is where a file has a setting.
type place struct {
	key   yamlfile.Pos
	value ast.Node
}

// readFile reads the configuration file. What is wrong with it is kept as problems; an
// error is a file that cannot be read at all.
func (c *Config) readFile(file string) error {
	named := file != ""
	if !named {
		file = defaultFile
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	doc, root := yamlfile.Parse(file, "settings", b)
	r := &fileReader{Document: doc, src: b, config: c, places: map[string]place{}}
	c.file = r
	switch {
	case root != nil:
		r.group(root, "", reflect.ValueOf(c).Elem())
	case len(doc.Problems) == 1 && doc.Problems[0].Code == "empty-file":
		doc.Problems = nil // it has comments at most
	}
	for i := range doc.Problems {
		p := &doc.Problems[i]
		if p.Code == "yaml-tag" { // its text names the value
			p.Message, p.Hint = "YAML reads a value that begins with ! as a tag, not as text", "put the whole in quotes"
		}
		p.Source = withoutSecrets(p.Source, p.Column, p.Code == "bad-value")
	}
	return nil
}

// group reads the mapping of a group of settings.
func (r *fileReader) group(n ast.Node, path string, v reflect.Value) {
	fields := map[string]reflect.Value{}
	known := yamlfile.Keys{}
	for _, f := range settingFields(v.Type()) {
		fields[settingKey(f)], known[settingKey(f)] = v.FieldByIndex(f.Index), nil
	}
	what := path
	if path == "" {
		what = "the configuration"
	}
	r.Entries(n, what, func(key string, at yamlfile.Pos, value ast.Node) {
		field, ok := fields[key]
		if !ok {
			hint := yamlfile.DidYouMean(key, known)
			if elsewhere := meantSetting(key); elsewhere != "" {
				hint = "did you mean " + elsewhere + "?"
			}
			r.Add(at, "unknown-key", fmt.Sprintf("%s has no setting %q", what, key), hint)
			return
		}
		r.value(value, joined(path, key), at, field)
	})
}

// meantSetting is the path of a setting that was written by its variable, or without its
// group; "" for none, or for several.
func meantSetting(key string) string {
	var paths []string
	plain := strings.ToUpper(strings.TrimPrefix(strings.ToUpper(key), Prefix))
	visitSettings(reflect.ValueOf(Config{}), nil, "", func(s setting) {
		if s.env == Prefix+plain {
			paths = []string{s.name()}
		} else if len(s.path) > 1 && s.path[len(s.path)-1] == key {
			paths = append(paths, s.name())
		}
	})
	if len(paths) != 1 || paths[0] == key {
		return ""
	}
	group, last, nested := strings.Cut(paths[0], ".")
	if !nested {
		return group
	}
	return last + " under " + group + ":"
}

// value reads one setting. One without a value is as if it was not there.
func (r *fileReader) value(n ast.Node, path string, at yamlfile.Pos, v reflect.Value) {
	n, ok := r.Plain(n)
	if _, null := n.(*ast.NullNode); !ok || null || n == nil {
		return
	}
	r.places[path] = place{at, n}
	switch {
	case path == "providers":
		r.Entries(n, path, func(name string, at yamlfile.Pos, of ast.Node) {
			r.places[joined(path, name)] = place{at, of}
			r.provider(name, of)
		})
	case v.Kind() == reflect.Struct:
		r.group(n, path, v)
	case v.Kind() == reflect.Map:
		entries := reflect.MakeMap(v.Type())
		r.Entries(n, path, func(key string, at yamlfile.Pos, value ast.Node) {
			entry := reflect.New(v.Type().Elem()).Elem()
			r.value(value, joined(path, key), at, entry)
			entries.SetMapIndex(reflect.ValueOf(key), entry)
		})
		v.Set(entries)
	case v.Kind() == reflect.Slice:
		var texts []string
		r.List(n, path, func(e ast.Node) {
			if text, ok := r.Text(e, path); ok {
				texts = append(texts, text)
			}
		})
		v.Set(reflect.ValueOf(texts))
	default:
		text, ok := r.Text(n, path)
		if !ok {
			return
		}
		if why := setText(v, text); why != "" {
			r.Add(yamlfile.At(n), "bad-value", path+" "+why, "")
		}
	}
}

// provider reads the settings of a provider. Where it is declared here, too, its
// declaration is taken out.
func (r *fileReader) provider(name string, n ast.Node) {
	var own, settings []*ast.MappingValueNode
	apart := false
	for _, v := range entriesOf(n) {
		switch key := v.Key.GetToken(); {
		case slices.Contains(declared.DeclarationKeys(), key.Value):
			own = append(own, v)
		case key.Value == accountsKey:
			r.accounts(name, yamlfile.At(v.Key), v.Value)
			apart = true
		default:
			settings = append(settings, v)
		}
	}
	if apart {
		n = ast.Mapping(n.GetToken(), false, settings...)
	}
	if slices.ContainsFunc(own, func(v *ast.MappingValueNode) bool { return v.Key.GetToken().Value == "events" }) {
		start := own[0].Key.GetToken()
		d, problems := declared.LoadNode(r.File, name, r.src, ast.Mapping(start, false, own...))
		r.config.problems = append(r.config.problems, problems...)
		if d != nil {
			r.config.Declared = append(r.config.Declared, declared.NewLive(d))
		}
		n = ast.Mapping(start, false, settings...)
	}
	if r.config.Providers == nil {
		r.config.Providers = map[string]map[string]Secret{}
	}
	of := map[string]Secret{}
	r.value(n, joined("providers", name), r.places[joined("providers", name)].key, reflect.ValueOf(&of).Elem())
	r.config.Providers[name] = of
}

// accounts reads the further accounts of a provider.
func (r *fileReader) accounts(provider string, at yamlfile.Pos, n ast.Node) {
	all := map[string]map[string]Secret{}
	r.value(n, joined(joined("providers", provider), accountsKey), at, reflect.ValueOf(&all).Elem())
	if r.config.Accounts == nil {
		r.config.Accounts = map[string]map[string]map[string]Secret{}
	}
	r.config.Accounts[provider] = all
}

func entriesOf(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	return nil
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// NearFile is the file beside a missing one that was probably meant; "" for none.
func NearFile(missing string) string {
	dir, name := splitPath(missing)
	f, err := os.Open(orHere(dir))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	names, _ := f.Readdirnames(maxNames)
	if near := spelling.Nearest(name, names); near != "" && near != name {
		return dir + near
	}
	return ""
}

// maxNames bounds the names of a folder that are compared with a missing one.
const maxNames = 10_000

func splitPath(file string) (dir, name string) {
	i := strings.LastIndexAny(file, `/`+string(os.PathSeparator))
	return file[:i+1], file[i+1:]
}

func orHere(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

var (
	valueBefore = regexp.MustCompile(`(:\s+)([^,{}\[\]]+)`)
	inKey       = regexp.MustCompile(`^[\w.$-]+\s*:`)
	inValue     = regexp.MustCompile(`:\s+$`)
	secretKey   = regexp.MustCompile(`(?i)(token|secret|password|passwd|key|auth|webhook|alertmanager|creds)\w*["']?\s*:\s*$`)
)

// withoutSecrets is the line of a problem without the values that the problem is not
// about, and without the one it is about unless that is to be shown and no secret.
// Nothing before the column is moved.
func withoutSecrets(line string, column int, show bool) string {
	r := []rune(line)
	at := min(max(column-1, 0), len(r))
	before, rest := string(r[:at]), string(r[at:])
	secret := secretKey.MatchString(before)
	before = valueBefore.ReplaceAllStringFunc(before, func(s string) string {
		i := strings.IndexFunc(s[1:], func(c rune) bool { return c != ' ' && c != '\t' })
		if i < 0 {
			return s
		}
		return s[:i+1] + strings.Repeat("*", len([]rune(s[i+1:])))
	})
	cut := len(rest)
	switch key := inKey.FindString(rest); {
	case show && !secret:
		if i := strings.IndexAny(rest, ",}"); i >= 0 {
			cut = i
		}
	case !inValue.MatchString(before):
		cut = len(key)
	default:
		cut = 0
	}
	if strings.Trim(rest[cut:], " }]\t") != "" {
		return before + rest[:cut] + " ..."
	}
	return before + rest
}

// ShippedRules are used where the default rules file does not exist.
func ShippedRules(path string) []byte {
	if path != DefaultRules {
		return nil
	}
	return callwatch.Rules
}
