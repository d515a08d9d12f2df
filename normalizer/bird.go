package normalizer

func bird() Provider { return Provider{Name: "bird"} }
