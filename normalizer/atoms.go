package normalizer

func atoms() Provider { return Provider{Name: "atoms"} }
