package twilio

import (
	"testing"

	"callwatch/normalizer/providertest"
)

func TestProvider(t *testing.T) { providertest.Run(t, Provider(), "testdata") }

func FuzzNormalizeTwilio(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }
