package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"callwatch/yamlfile"
	"callwatch/yamlfile/spelling"
)

// setting is a setting with a variable of its own.
type setting struct {
	path  []string
	env   string
	value reflect.Value
	tag   reflect.StructTag
}

// name is the setting's path in callwatch.yaml: slack.rate.
func (s *setting) name() string { return strings.Join(s.path, ".") }

// visitSettings calls f for each setting that the environment can give, in the
// order of the fields.
func visitSettings(v reflect.Value, path []string, prefix string, f func(setting)) {
	for _, field := range settingFields(v.Type()) {
		at, of := append(slices.Clone(path), settingKey(field)), v.FieldByIndex(field.Index)
		switch {
		case field.Type.Kind() == reflect.Struct:
			visitSettings(of, at, prefix+field.Tag.Get("envPrefix"), f)
		case field.Tag.Get("env") != "":
			f(setting{at, Prefix + prefix + field.Tag.Get("env"), of, field.Tag})
		}
	}
}

// setText gives a setting the value that a text says; why is what is wrong with it, ""
// for nothing. It never says the text, which may be a secret.
func setText(v reflect.Value, text string) (why string) {
	switch v.Interface().(type) {
	case time.Duration:
		d, err := yamlfile.ParseDuration(text)
		if err != nil {
			return "is not a duration: write a number with a unit, such as 30s, 10m, 24h or 14d"
		}
		v.SetInt(int64(d))
		return ""
	case []string:
		v.Set(reflect.ValueOf(strings.Split(text, ",")))
		return ""
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return "is neither true nor false"
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return "is not a whole number"
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return "is not a number"
		}
		v.SetFloat(n)
	default:
		v.SetString(text)
	}
	return ""
}

// outside is what is wrong with a value by the tags of its setting; "" for nothing.
func outside(s setting) (why, hint string) {
	if words, ok := s.tag.Lookup("enum"); ok {
		known := strings.Split(words, ",")
		text := s.value.String()
		if slices.Contains(known, text) {
			return "", ""
		}
		if near := spelling.Nearest(text, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		return fmt.Sprintf("%.40q is none of %s", text, strings.Join(known, ", ")), hint
	}
	var n float64
	switch s.value.Kind() {
	case reflect.Int:
		n = float64(s.value.Int())
	case reflect.Float64:
		n = s.value.Float()
	default:
		return "", ""
	}
	bound := func(tag string) (float64, bool) {
		limit, err := strconv.ParseFloat(s.tag.Get(tag), 64)
		return limit, err == nil
	}
	if least, ok := bound("min"); ok && n < least {
		return fmt.Sprintf("%v is below %v", s.value, least), ""
	}
	if most, ok := bound("max"); ok && n > most {
		return fmt.Sprintf("%v is above %v", s.value, most), ""
	}
	if limit, ok := bound("above"); ok && n <= limit {
		return fmt.Sprintf("%v is not above %v", s.value, limit), ""
	}
	return "", ""
}
