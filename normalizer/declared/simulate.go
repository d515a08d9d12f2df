package declared

import (
	"callwatch/normalizer"
	"callwatch/normalizer/declared/traffic"
	"callwatch/normalizer/simulate"
)

// Simulator makes traffic of the bodies of the tests, with ids and times of its own; nil
// where no test is of a webhook.
func (d *Declaration) Simulator() *simulate.Source {
	var samples []traffic.Sample
	for i := range d.Tests {
		t := &d.Tests[i]
		if t.Source != normalizer.Pushed || t.Error != "" {
			continue
		}
		b := t.content(d.Name)
		events, err := d.normalize(&b)
		if err != nil || len(events) == 0 {
			continue
		}
		s := traffic.Sample{Kind: t.Name, Body: t.Body, ContentType: t.ContentType, Header: t.Headers, CallID: events[0].CallID, EventID: events[0].ID}
		for _, f := range t.Shows {
			s.Shows = append(s.Shows, simulate.Fault(f))
		}
		samples = append(samples, s)
	}
	form, kinds := traffic.Form(samples, testTime())
	if form == nil {
		return nil
	}
	for i := range d.verify {
		if s := d.verify[i].Signer(); s != nil {
			form.Proof = append(form.Proof, *s)
		}
	}
	form.Proof = append(form.Proof, simulate.ByToken())
	return &simulate.Source{
		Name: d.Name, Weight: 1, Forms: []simulate.Form{*form}, Kinds: kinds,
		Generate: func(draw func(int) []byte, receive, _ normalizer.Keys) {
			for i := range d.verify {
				d.verify[i].Generate(draw, receive)
			}
		},
	}
}
