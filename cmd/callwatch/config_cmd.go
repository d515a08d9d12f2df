package main

import "github.com/spf13/cobra"

func configCommand() *cobra.Command {
	return commandGroup("config", "Describe callwatch.yaml; callwatch doctor checks it",
		schemaCommand("callwatch.yaml", "callwatch.schema.json", configSchema, "callwatch doctor checks what is set, and whether it works."))
}
