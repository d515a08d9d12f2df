package rulefmt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

const (
	maxCompanion  = 4 << 20  // bytes of one file beside the rules
	maxCompanions = 16 << 20 // of all of them
)

// FileExtensions are those of the files that rules may name.
func FileExtensions() []string { return []string{".ics", ".csv"} }

// companion reads a file that is beside the rules file or in a folder below, at most
// once; false after a problem. Only names with the extension are read, and messages do
// not quote the file: drafts are checked for people who may not read the folder.
func (l *loader) companion(n ast.Node, name, extension string) ([]byte, bool) {
	dir := l.dir
	if dir == "" {
		dir = filepath.Dir(l.File)
	}
	path := filepath.Join(dir, name)
	if text, known := l.companions[path]; known {
		return text, true
	}
	refuse := func(message, hint string) ([]byte, bool) {
		l.Add(nodeAt(n), "no-file", message, hint)
		return nil, false
	}
	beside := "a path relative to the rules file, in its folder or below, such as lists/names" + extension
	if filepath.Ext(name) != extension || !filepath.IsLocal(name) {
		return refuse(fmt.Sprintf("%q cannot be read: it is not a %s file beside the rules file", name, extension), beside)
	}
	text, err := readWithin(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(fmt.Sprintf("there is no file %q", name), beside)
	}
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return refuse(fmt.Sprintf("%q cannot be read: %v", name, err), beside)
	}
	if l.read += len(text); len(text) > maxCompanion || l.read > maxCompanions {
		return refuse(fmt.Sprintf("%q is too large", name), fmt.Sprintf("a file may have %d MB, all of them %d MB", maxCompanion>>20, maxCompanions>>20))
	}
	if l.companions == nil {
		l.companions = map[string][]byte{}
	}
	l.companions[path] = text
	l.set.Files = append(l.set.Files, path)
	return text, true
}

// readWithin reads a regular file in a folder or below, also where links lead there, and
// no more of it than shows that it is too large.
func readWithin(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCompanion+1))
	return text, errors.Join(err, f.Close())
}

// digest names the content of the rules files, of which one is given, and of all files
// that they name.
func (l *loader) digest(sources string) string {
	if len(l.set.Files) == 0 {
		return sources
	}
	h := sha256.New()
	_, _ = io.WriteString(h, sources) // a hash does not fail
	slices.Sort(l.set.Files)
	for _, path := range l.set.Files {
		fmt.Fprintf(h, "\x00%s\x00%d\x00", path, len(l.companions[path]))
		_, _ = h.Write(l.companions[path])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
