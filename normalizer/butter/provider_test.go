package butter

import (
	"testing"

	"callwatch/normalizer/providertest"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }
