package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/nearest"
)

// decoder fills a Config from the nodes of a file, and collects all mistakes.
type decoder struct {
	config   *Config
	mistakes Errors
}

// wrong notes a mistake at a node.
func (d *decoder) wrong(n *yaml.Node, key, format string, args ...any) {
	d.mistakes = append(d.mistakes, &Error{File: d.config.file, Line: n.Line, Column: n.Column, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// mistake notes a mistake about a key, which may be missing, unless one was noted: a
// value that cannot be read is not a value that means something wrong.
func (d *decoder) mistake(key, format string, args ...any) {
	if slices.ContainsFunc(d.mistakes, func(e *Error) bool { return e.Key == key }) {
		return
	}
	d.mistakes = append(d.mistakes, d.config.Mistake(key, format, args...))
}

// value fills one value. key names it. Sections at the top may be empty; a key
// without a value elsewhere is likely to have lost it.
func (d *decoder) value(n *yaml.Node, to reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	text, isText := to.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		d.wrong(n, key, "it has the tag %q, which means nothing here; remove it", excerpt.Of(n.Tag))
	case n.ShortTag() == "!!null":
		if section := !strings.ContainsAny(key, ".["); !section || to.Kind() == reflect.Pointer {
			d.wrong(n, key, "it has no value; set one, or remove the key")
		}
	case to.Kind() == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		d.value(n, to.Elem(), key)
	case isText:
		if d.isScalar(n, key, "one value") {
			d.text(n, text, key)
		}
	case to.Kind() == reflect.Struct:
		d.section(n, to, key)
	case to.Kind() == reflect.Slice:
		d.list(n, to, key)
	case to.Kind() == reflect.Int:
		d.count(n, to, key)
	case to.Kind() == reflect.Bool:
		d.yesOrNo(n, to, key)
	case to.Kind() == reflect.String:
		if d.isScalar(n, key, "a text") {
			to.SetString(n.Value)
		}
	default:
		panic("config: no way to read a " + to.Type().String())
	}
}

// isScalar reports whether a node is a single value.
func (d *decoder) isScalar(n *yaml.Node, key, wanted string) bool {
	if n.Kind == yaml.ScalarNode {
		return true
	}
	d.wrong(n, key, "it must be %s, not %s", wanted, kind(n))
	return false
}

func (d *decoder) text(n *yaml.Node, to encoding.TextUnmarshaler, key string) {
	if err := to.UnmarshalText([]byte(n.Value)); err != nil {
		d.wrong(n, key, "%s", err)
	}
}

// count fills a whole number. All of them are limits.
func (d *decoder) count(n *yaml.Node, to reflect.Value, key string) {
	if !d.isScalar(n, key, "a whole number") {
		return
	}
	var number int
	switch err := n.Decode(&number); {
	case err != nil && n.Style == 0 && strings.Trim(n.Value, "0123456789") == "":
		d.wrong(n, key, "%s is too large; remove the key for the default", excerpt.Of(n.Value))
	case n.ShortTag() != "!!int" || err != nil:
		d.wrong(n, key, "%q is not a whole number; write it like 1000", excerpt.Of(n.Value))
	case number < 1:
		d.wrong(n, key, "%d is less than 1; remove the key for the default", number)
	default:
		to.SetInt(int64(number))
	}
}

// yesOrNo fills a bool.
func (d *decoder) yesOrNo(n *yaml.Node, to reflect.Value, key string) {
	if !d.isScalar(n, key, "true or false") {
		return
	}
	if n.Value != "true" && n.Value != "false" {
		d.wrong(n, key, "%q is neither true nor false; write one of them", excerpt.Of(n.Value))
		return
	}
	to.SetBool(n.Value == "true")
}

// list fills a list.
func (d *decoder) list(n *yaml.Node, to reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, key, "it must be a list, not %s", kind(n))
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content)))
	for i, element := range n.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		d.config.at[at] = place{element.Line, element.Column}
		d.value(element, to.Index(i), at)
	}
}

// section fills a struct from keys and their values.
func (d *decoder) section(n *yaml.Node, to reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, key, "it must have keys with values, like %s, not %s", fieldsOf(to.Type())[0].name+": …", kind(n))
		return
	}
	fields := fieldsOf(to.Type())
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(key+"."+excerpt.Line(name.Value, excerpt.Most), ".")
		if line := seen[name.Value]; line > 0 {
			d.wrong(name, at, "the key is there twice, first in line %d; remove one of them", line)
			continue
		}
		seen[name.Value] = name.Line
		index, known := fields.find(name.Value)
		if !known {
			d.wrong(name, at, "the key is unknown; %s", hint(key, name.Value, fields.names()))
			continue
		}
		d.config.at[at] = place{name.Line, name.Column}
		d.value(value, to.Field(index), at)
	}
	for _, f := range fields {
		if f.required && seen[f.name] == 0 {
			d.wrong(n, key, "it has no %s; add it", f.name)
		}
	}
}

// webKeys are the keys of the file for --web.config.file.
var webKeys = map[string]bool{"tls_server_config": true, "http_server_config": true, "basic_auth_users": true, "rate_limit": true}

// hint says what to do about an unknown key.
func hint(section, unknown string, known []string) string {
	switch {
	case section == "" && webKeys[unknown]:
		return "it belongs in the file of --web.config.file"
	case unknown == "<<":
		return "write out the keys that you want to merge"
	}
	for _, other := range sections {
		if _, ok := fieldsOf(other.of).find(unknown); ok {
			return "it belongs in " + other.name
		}
	}
	return nearest.Instead(unknown, known)
}

// sections are the parts of a file, for keys that are in the wrong one.
var sections = []struct {
	name string
	of   reflect.Type
}{
	{"limits", reflect.TypeFor[Limits]()}, {"a rule", reflect.TypeFor[Rule]()}, {"a rule of jobs", reflect.TypeFor[JobRule]()}, {"access", reflect.TypeFor[Access]()}, {"a user", reflect.TypeFor[User]()},
	{"cluster", reflect.TypeFor[Cluster]()}, {"cluster.tls", reflect.TypeFor[ClusterTLS]()},
}

// field is a field of a struct that a file can set.
type field struct {
	name     string
	index    int
	required bool
}

type fields []field

// fieldsOf returns the fields of a struct in their order.
func fieldsOf(t reflect.Type) (all fields) {
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			all = append(all, field{name, i, option == "required"})
		}
	}
	return all
}

func (f fields) find(name string) (index int, ok bool) {
	for _, known := range f {
		if known.name == name {
			return known.index, true
		}
	}
	return 0, false
}

func (f fields) names() []string {
	names := make([]string, len(f))
	for i, known := range f {
		names[i] = known.name
	}
	return names
}

// kind names what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
