package rulefmt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"callwatch/rules"
	"callwatch/yamlfile"
)

// Folder is the name of the folder beside a rules file whose files are read with it.
const Folder = "rules.d"

// maxSources is the number of files of a set of rules.
const maxSources = 500

// ReadSources reads the rules at a path: a file and then the files of the folder
// rules.d beside it, or the files of a folder. Of a folder it reads *.yaml and *.yml,
// by name; hidden files and folders in it are left out. fs.ErrNotExist says that there
// is nothing at the path.
func ReadSources(path string) ([]rules.Source, error) {
	paths, err := sourcePaths(path)
	if err != nil {
		return nil, err
	}
	var sources []rules.Source
	total := 0
	for _, p := range paths {
		text, err := readRegular(p)
		if err != nil {
			return nil, err
		}
		if total += len(text); total > maxFile && len(paths) > 1 {
			return nil, fmt.Errorf("%s: rules files may have %d bytes together", path, maxFile)
		}
		sources = append(sources, rules.Source{Name: p, Text: text})
	}
	return sources, nil
}

// readRegular reads a file. Only a regular one is read: opening a pipe waits for a
// writer.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is no regular file", path)
	}
	return ReadFile(path)
}

// Files are the rules files of a folder, by name; a file is itself.
func Files(path string) ([]string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []string{path}, nil // what is wrong shows when it is read
	}
	return sourcePaths(path)
}

// sourcePaths are the files that a path means.
func sourcePaths(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		paths, err := folderFiles(path)
		if err == nil && len(paths) == 0 {
			err = fmt.Errorf("%s: there is no *.yaml file in the folder", path)
		}
		return paths, err
	}
	beside, err := folderFiles(filepath.Join(filepath.Dir(path), Folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return append([]string{path}, beside...), nil
}

func folderFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries { // sorted by name
		name := e.Name()
		if ext := filepath.Ext(name); strings.HasPrefix(name, ".") || ext != ".yaml" && ext != ".yml" || e.IsDir() {
			continue
		}
		paths = append(paths, filepath.Join(folder, name))
	}
	if len(paths) > maxSources {
		return nil, fmt.Errorf("%s: there are more than %d files in the folder", folder, maxSources)
	}
	return paths, nil
}

// LoadSources compiles rules that are in one or more files as one set. The error is
// that of ctx.
func LoadSources(ctx context.Context, sources []rules.Source) (*rules.Set, rules.Problems, error) {
	return loadSources(ctx, sources, "")
}

// LoadDraft compiles rules that are in no file, in place of a set that is: the files that
// they name are relative to the folder of that.
func LoadDraft(ctx context.Context, drafts []rules.Source, inForce *rules.Set) (*rules.Set, rules.Problems, error) {
	dir := "."
	if inForce != nil && len(inForce.Sources) > 0 {
		dir = filepath.Dir(inForce.Sources[0].Name)
	}
	return loadSources(ctx, drafts, dir)
}

// loadSources is LoadSources; files that the rules name are relative to dir, or to the
// folder of each source where that is "".
func loadSources(ctx context.Context, sources []rules.Source, dir string) (*rules.Set, rules.Problems, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var docs []parsed
	for _, s := range sources {
		d, root := parseDocument(s.Name, s.Text)
		d.Stopped = func() bool { return ctx.Err() != nil }
		if len(sources) > 1 && onlyComments(s.Text, d, root) {
			d.Problems = nil
		}
		docs = append(docs, parsed{d, root})
	}
	if len(docs) == 0 {
		return nil, nil, errors.New("there is no rules file")
	}
	l := newLoader(docs[0].Document, DigestSources(sources))
	l.set.Sources, l.dir = sources, dir
	if slices.ContainsFunc(docs, func(d parsed) bool { return d.root != nil }) {
		l.files(docs)
	} else if len(docs) > 1 {
		docs[0].Add(pos{Line: 1, Column: 1}, "no-rules", "the files have no rules", "add a list under rules: to one of them")
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var problems rules.Problems
	for _, d := range docs {
		d.Problems.Sort()
		problems = append(problems, d.Problems...)
	}
	if problems.Errors() {
		return nil, problems, nil
	}
	l.set.Env = l.env
	l.set.Digest = l.digest(l.set.Digest)
	return l.set, problems, nil
}

// onlyComments reports whether all rules of one file among several are commented out.
// A file without any text is more likely one that is being written.
func onlyComments(text []byte, d *yamlfile.Document, root ast.Node) bool {
	return root == nil && len(d.Problems) == 1 && d.Problems[0].Code == "empty-file" && strings.TrimSpace(yamlText(text)) != ""
}

// DigestSources names the content of rules files.
func DigestSources(sources []rules.Source) string {
	if len(sources) == 1 {
		return Digest(sources[0].Text)
	}
	sum := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(sum, "%d %s %d\n", len(s.Name), s.Name, len(s.Text))
		_, _ = sum.Write(s.Text) // a hash does not fail
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
