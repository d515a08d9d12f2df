package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Describe callwatch.yaml; callwatch doctor checks it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(configSchemaCommand())
	return c
}

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of callwatch.yaml, for editors",
		Long: "Print the JSON Schema of callwatch.yaml. An editor with a YAML language server completes and checks it\n" +
			"once the file begins with:\n\n  # yaml-language-server: $schema=callwatch.schema.json",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			schema, err := configSchema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s", schema)
			return err
		},
	}
}
