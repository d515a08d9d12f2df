package rulescmd

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"callwatch/rules/ruletest"
)

// JUnit XML as continuous integration reads it: one suite per file, one class
// per rule.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`

	took time.Duration
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r *testReport) junit() ([]byte, error) {
	all := junitSuites{Tests: len(r.Tests)}
	var total time.Duration
	for i := range r.Tests {
		t, took := &r.Tests[i], r.took[i]
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != t.File {
			all.Suites = append(all.Suites, junitSuite{Name: t.File})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{Class: t.Rule, Name: t.Name, File: t.File, Line: t.Line, Time: seconds(took)}
		switch {
		case t.Error != "":
			c.Error = &junitMessage{t.Error, caseText(t)}
			s.Errors, all.Errors = s.Errors+1, all.Errors+1
		case !t.Passed:
			m := t.Failed[0]
			c.Failure = &junitMessage{m.What + ": expected " + m.Want + ", was " + m.Got, caseText(t)}
			s.Failures, all.Failures = s.Failures+1, all.Failures+1
		}
		s.Tests++
		s.took, total = s.took+took, total+took
		s.Time = seconds(s.took)
		s.Cases = append(s.Cases, c)
	}
	all.Time = seconds(total)
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(b, '\n')...), nil
}

func caseText(t *ruletest.Result) string {
	var b strings.Builder
	printCase(&b, t)
	return b.String()
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
