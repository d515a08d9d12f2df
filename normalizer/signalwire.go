package normalizer

func signalwire() Provider { return Provider{Name: "signalwire"} }
