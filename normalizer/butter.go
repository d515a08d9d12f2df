package normalizer

func butter() Provider { return Provider{Name: "butter"} }
