package limits

// keptDescriptors are those that the store, the files and other connections may open.
const keptDescriptors = 1024

// Connections is how many connections a listener may have open: most, or fewer where the process
// may not open so many descriptors.
func Connections(most int) int {
	limit := descriptors()
	if limit == 0 {
		return most
	}
	return int(min(uint64(most), limit-min(keptDescriptors, limit/2)))
}
