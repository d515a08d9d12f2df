package declared

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"callwatch/yamlfile"
)

const (
	maxFileSize = 512 << 10 // of one declaration, in bytes
	maxFiles    = 200       // in a folder
)

// Files are the declarations of a folder, by name; none where there is no folder.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		if ext := filepath.Ext(name); !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, ".") && len(files) < maxFiles {
			files = append(files, filepath.Join(dir, name))
		}
	}
	slices.Sort(files)
	return files, nil
}

// LoadFile compiles a file. The error is that it cannot be read.
func LoadFile(path string) (*Declaration, yamlfile.Problems, error) {
	src, err := readRegular(path, maxFileSize)
	if err != nil {
		return nil, nil, err
	}
	d, problems := Load(path, src)
	return d, problems, nil
}

// LoadFiles compiles files, all or none: with an error among the problems there are no
// declarations.
func LoadFiles(paths []string) ([]*Declaration, yamlfile.Problems, error) {
	var all []*Declaration
	var problems yamlfile.Problems
	names := map[string]string{}
	for _, path := range paths {
		d, found, err := LoadFile(path)
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, found...)
		if d == nil {
			continue
		}
		if other := names[d.Name]; other != "" {
			problems = append(problems, yamlfile.Problem{
				File: path, Line: 1, Column: 1, Severity: yamlfile.ErrorSeverity, Code: "duplicate-name", Message: other + " declares the same provider",
			})
		}
		names[d.Name] = path
		all = append(all, d)
	}
	if problems.Errors() {
		return nil, problems, nil
	}
	return all, problems, nil
}

// Digest names the content of files: it changes when one of them does.
func Digest(paths []string) string {
	h := sha256.New()
	for _, path := range paths {
		src, err := readRegular(path, maxFileSize)
		if err != nil {
			src = []byte(err.Error())
		}
		sum := sha256.Sum256(src)
		h.Write([]byte(path))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// DeclarationKeys are the keys of a declaration: where it is within the settings of a
// provider they tell it from them.
func DeclarationKeys() []string {
	return []string{"title", "doc", "settings", "headers", "verify", "body", "set", "events", "ignore", "otherwise", "causes", "fetch", "tests"}
}
