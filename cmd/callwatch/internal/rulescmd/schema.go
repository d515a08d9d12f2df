package rulescmd

import (
	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/rules/ruleschema"
)

func rulesSchemaCommand() *cobra.Command {
	return cli.SchemaCommand("rules files", "rules.schema.json", ruleschema.Schema, "Expressions are checked by callwatch rules check.")
}
