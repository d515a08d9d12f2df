package config

import (
	"fmt"
	"slices"

	"callwatch/normalizer"
	"callwatch/normalizer/declared"
	"callwatch/normalizer/simulate"
	"callwatch/yamlfile"
)

// DefaultProvidersDir is the folder of declared providers where none is set.
const DefaultProvidersDir = "providers.d"

// readDeclared reads the folder of declared providers and adds all that are declared to
// the registry.
func (c *Config) readDeclared() error {
	files, err := declared.Files(c.ProvidersDir)
	if err != nil {
		return fmt.Errorf("%sPROVIDERS_DIR: %w", Prefix, err)
	}
	all, problems, err := declared.LoadFiles(files)
	if err != nil {
		return fmt.Errorf("%sPROVIDERS_DIR: %w", Prefix, err)
	}
	if c.problems = append(c.problems, problems...); c.problems.Errors() {
		return fmt.Errorf("declared providers:\n%w", errorsOnly(c.problems))
	}
	for _, d := range all {
		c.Declared = append(c.Declared, declared.NewLive(d))
	}
	for _, l := range c.Declared {
		d := l.Get()
		if _, taken := c.Registry.Find(d.Name); taken {
			return fmt.Errorf("%s: there is a provider %s already: declare it under another name", d.File, d.Name)
		}
		c.Registry = c.Registry.With(l.Provider())
	}
	return nil
}

// source is where a configuration was read from.
type source struct {
	file      string
	environ   []string
	providers normalizer.Registry
}

// DeclarationFiles are the files that declare providers: those of the folder, and
// callwatch.yaml where it declares any.
func (c *Config) DeclarationFiles() ([]string, error) {
	files, err := declared.Files(c.ProvidersDir)
	if c.file != nil && slices.ContainsFunc(c.Declared, func(l *declared.Live) bool { return l.Get().File == c.file.File }) {
		files = append(files, c.file.File)
	}
	return files, err
}

// ReadDeclared reads the declarations of a configuration again: all that are there now, or
// none and what is wrong with the configuration.
func (c *Config) ReadDeclared() ([]*declared.Declaration, error) {
	now, err := Read(c.source.file, c.source.environ, c.source.providers)
	if err != nil {
		return nil, err
	}
	all := make([]*declared.Declaration, len(now.Declared))
	for i, l := range now.Declared {
		all[i] = l.Get()
	}
	return all, nil
}

func errorsOnly(all yamlfile.Problems) yamlfile.Problems {
	return slices.DeleteFunc(slices.Clone(all), func(p yamlfile.Problem) bool { return !p.IsError() })
}

// Simulators are those given and those of the declared providers.
func (c *Config) Simulators(builtin simulate.Sources) simulate.Sources {
	all := slices.Clone(builtin)
	for _, l := range c.Declared {
		if s := l.Get().Simulator(); s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// ProvidersDir is the folder of declared providers by environment and file, also where
// the rest of the configuration has errors.
func ProvidersDir(file string, environ []string) string {
	c := Default(nil)
	_ = c.readFile(file)
	c.readVariables(variables(environ))
	return c.ProvidersDir
}
