package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// SchemaCommand prints the JSON Schema of some files; also says what checks the
// rest of them.
func SchemaCommand(files, name string, schema func() ([]byte, error), also string) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of " + files + ", for editors",
		Long: "Print the JSON Schema of " + files + ". An editor with a YAML language server completes and checks a file by it\n" +
			"once the file begins with:\n\n  # yaml-language-server: $schema=" + name + "\n\n" + also,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s", text)
			return err
		},
	}
}
