package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
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

func versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		v := buildVersion()
		if *o != human {
			return json.NewEncoder(c.OutOrStdout()).Encode(v)
		}
		fmt.Fprintf(c.OutOrStdout(), "callwatch %s %s %s\n", v.Version, v.Commit, v.Go)
		return nil
	}
	return c
}
