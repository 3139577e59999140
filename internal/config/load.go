package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxSize bounds a file, in bytes.
const maxSize = 16 << 20

// Load reads a file, and the files that it names. Relative paths in it are
// relative to its directory. Its error is an Errors, or says that the file
// cannot be read.
func Load(file string) (*Config, error) {
	content, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w; %s", err, remedy(err))
	}
	return Parse(file, content)
}

// Parse is Load for the content of a file. It still reads the files that the
// content names.
func Parse(file string, content []byte) (*Config, error) {
	d := decoder{config: &Config{file: file, at: make(map[string]place)}}
	if root := d.document(content); root != nil {
		d.section(root, reflect.ValueOf(d.config).Elem(), "")
	}
	d.check()
	if err := sorted(d.mistakes); err != nil {
		return nil, err
	}
	return d.config, nil
}

// readFile reads a file, unless it is too large to be meant. It refuses pipes: whoever
// reads them may wait forever.
func readFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Type()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return nil, fmt.Errorf("%s is a pipe or a socket", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(content) > maxSize {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSize)
	}
	return content, err
}

// remedy says what to do about a file that cannot be read.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "create the file, and let the user of the gateway read it"
	case errors.Is(err, fs.ErrPermission):
		return "let the user of the gateway read it"
	}
	return "name another file"
}

// document returns the root of the file's document, or nil if it is empty.
func (d *decoder) document(content []byte) *yaml.Node {
	if at := notText(content); at >= 0 {
		d.mistakes = append(d.mistakes, &Error{File: d.config.file, Line: 1 + bytes.Count(content[:at], []byte("\n")), Msg: "it has bytes that are not text; save it in UTF-8, without control characters"})
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		d.wrong(&second, "", "a second document begins here; put everything into one, without ---")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(err)
		return nil
	}
	root := doc.Content[0]
	if root.ShortTag() == "!!null" {
		return nil
	}
	return root
}

// notText returns where the first byte is that YAML does not allow, or -1.
func notText(content []byte) int {
	return bytes.IndexFunc(content, func(r rune) bool {
		return r == utf8.RuneError || r != '\t' && r != '\n' && r != '\r' && unicode.IsControl(r)
	})
}

// syntax notes an error of the library.
func (d *decoder) syntax(err error) {
	e := &Error{File: d.config.file, Msg: "it is not YAML: " + err.Error()}
	if at := (*yaml.LoadError)(nil); errors.As(err, &at) {
		e.Line, e.Column, e.Msg = at.Mark.Line, at.Mark.Column, "it is not YAML: "+at.Message
	}
	if strings.Contains(e.Msg, "cannot start any token") {
		e.Msg += "; indent with spaces, not with tabs, and quote texts that begin with { or *"
	}
	d.mistakes = append(d.mistakes, e)
}

// secret reads a file that holds one secret.
func (d *decoder) secret(key, file string) Secret {
	if file == "" {
		return ""
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(d.config.file), file)
	}
	content, err := readFile(file)
	text := strings.TrimSpace(string(content))
	switch {
	case err != nil:
		d.mistake(key, "reading the secret: %s; %s", err, remedy(err))
	case text == "":
		d.mistake(key, "the file %s is empty; write the secret into it", file)
	}
	return Secret(text)
}
