package normalizer

func telnyx() Provider { return Provider{Name: "telnyx"} }
