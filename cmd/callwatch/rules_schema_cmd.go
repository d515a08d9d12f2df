package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"callwatch/rules"
)

func rulesSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of rules files, for editors",
		Long: "Print the JSON Schema of rules files. An editor with a YAML language server completes and checks rules by it\n" +
			"once the file begins with:\n\n  # yaml-language-server: $schema=rules.schema.json\n\n" +
			"Expressions are checked by callwatch rules check.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			schema, err := rules.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s", schema)
			return err
		},
	}
}
