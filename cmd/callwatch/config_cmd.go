package main

import (
	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
)

func configCommand(s *settings) *cobra.Command {
	return commandGroup("config", "Describe callwatch.yaml; callwatch doctor checks it",
		schemaCommand("callwatch.yaml", "callwatch.schema.json", func() ([]byte, error) { return config.Schema(s.providers) }, "callwatch doctor checks what is set, and whether it works."))
}
