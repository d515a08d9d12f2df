package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
)

// Version is what /version and `callwatch version` tell.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Built   string `json:"built,omitempty"`
	Go      string `json:"go"`
}

// buildVersion reads what the Go tool wrote into the binary.
func buildVersion() Version {
	v := Version{Version: "dev", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; m != "" && m != "(devel)" {
		v.Version = m
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Built = s.Value
		}
	}
	return v
}

// line is the version as people read it.
func (v Version) line() string {
	return strings.Join(strings.Fields("callwatch "+v.Version+" "+v.Commit+" "+v.Go), " ")
}

func versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		v := buildVersion()
		if *o != cli.Human {
			return json.NewEncoder(c.OutOrStdout()).Encode(v)
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), v.line())
		return err
	}
	return c
}
