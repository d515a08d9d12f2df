package main

// Rules name time zones, and small container images know none.
import _ "time/tzdata"
