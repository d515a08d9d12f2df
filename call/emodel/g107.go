// Package emodel is the E-model of ITU-T G.107 (06/2015), narrowband: how well a
// call could be heard and held, from packet loss, delay and codec. All of it is
// pure functions.
package emodel

import "math"

// Params are the inputs of the E-model, named as in G.107. Levels are in dB (dBm0p,
// dBmp, dB(A)), times in milliseconds, Ppl in percent after the jitter buffer.
type Params struct {
	SLR, RLR   float64 // send and receive loudness ratings
	STMR, LSTR float64 // sidetone masking and listener sidetone ratings
	Ds, Dr     float64 // D-values of the telephones
	TELR, WEPL float64 // talker echo loudness rating, weighted echo path loss
	T, Tr, Ta  float64 // one-way delay of the echo path, round trip in the 4-wire loop, absolute delay
	Qdu        float64 // quantization distortion units, 1 and more
	Ie, Bpl    float64 // equipment impairment and packet-loss robustness of the codec
	Ppl        float64 // packet-loss probability, 0..100
	BurstR     float64 // burst ratio, 1 is random loss
	Nc, Nfor   float64 // circuit noise, noise floor
	Ps, Pr     float64 // room noise at the send and receive side
	A          float64 // advantage factor
	ST, MT     float64 // delay sensitivity, minimum perceivable delay
}

// Defaults are the default values of G.107: R 93.2, MOS 4.41.
func Defaults() Params {
	return Params{
		SLR: 8, RLR: 2, STMR: 15, LSTR: 18, Ds: 3, Dr: 3, TELR: 65, WEPL: 110,
		Qdu: 1, Bpl: 4.3, BurstR: 1, Nc: -70, Nfor: -64, Ps: 35, Pr: 35, ST: 1, MT: 100,
	}
}

// Terms are the parts of R, named as in G.107.
type Terms struct {
	No              float64 // sum of all noise, dBm0p
	Ro              float64 // basic signal-to-noise ratio
	Iolr, Ist, Iq   float64 // loudness, sidetone, quantization
	Is              float64 // their sum: impairments simultaneous with speech
	Idte, Idle, Idd float64 // talker echo, listener echo, absolute delay
	Id              float64 // their sum: impairments by delay
	IeEff           float64 // codec and packet loss
	R               float64 // transmission rating, not clamped
}

// R is the transmission rating, not clamped: it falls below 0 for very bad calls.
func (p Params) R() float64 { return p.Terms().R }

// Terms evaluates the model with all its intermediate terms.
func (p Params) Terms() Terms { return p.with(p.fixed()) }

// fixed are the terms on which neither delay nor codec nor loss bear.
type fixed struct {
	Terms
	voice, echo float64 // power of the talker's own voice by the sidetone and by the echo path
}

func (p Params) fixed() fixed {
	t := fixed{voice: power(-p.STMR), echo: power(-p.TELR)}
	t.No = p.noise()
	t.Ro = 15 - 1.5*(p.SLR+t.No)
	t.Iolr, t.Iq = p.loudness(t.No), p.quantization(t.Ro)
	return t
}

// with evaluates the rest, given the fixed terms.
func (p Params) with(f fixed) Terms {
	t := f.Terms
	t.Ist = p.sidetone(f.voice, f.echo)
	t.Is = t.Iolr + t.Ist + t.Iq
	t.Idte, t.Idle, t.Idd = p.talkerEcho(t.No, t.Ist), p.listenerEcho(t.Ro), p.absoluteDelay()
	t.Id = t.Idte + t.Idle + t.Idd
	t.IeEff = IeEff(p.Ie, p.Bpl, p.Ppl, p.BurstR)
	t.R = t.Ro - t.Is - t.Id - t.IeEff + p.A
	return t
}

// IeEff is the equipment impairment of a codec under loss: ie without loss,
// towards 95 with it. ppl is percent, bpl above 0, burstR 1 for random loss.
func IeEff(ie, bpl, ppl, burstR float64) float64 {
	if ppl <= 0 {
		return ie
	}
	return ie + (95-ie)*ppl/(ppl/burstR+bpl)
}

func (p Params) noise() float64 {
	olr := p.SLR + p.RLR
	nos := p.Ps - p.SLR - p.Ds - 100 + 0.004*square(p.Ps-olr-p.Ds-14)
	pre := p.Pr + 10*math.Log10(1+math.Pow(10, (10-p.LSTR)/10))
	nor := p.RLR - 121 + pre + 0.008*square(pre-35)
	nfo := p.Nfor + p.RLR
	return 10 * math.Log10(power(p.Nc)+power(nos)+power(nor)+power(nfo))
}

func (p Params) loudness(no float64) float64 {
	x := p.SLR + p.RLR + 0.2*(64+no-p.RLR)
	return 20 * (norm(x/8, 8) - x/8)
}

func (p Params) sidetone(voice, echo float64) float64 {
	s := -10 * math.Log10(voice+math.Exp(-p.T/4)*echo)
	return 12*norm((s-13)/6, 8) - 28*norm((s+1)/19.4, 35) - 13*norm((s-3)/33, 13) + 29
}

func (p Params) quantization(ro float64) float64 {
	q := 37 - 15*math.Log10(p.Qdu)
	g := 1.07 + 0.258*q + 0.0602*q*q
	y := (ro-100)/15 + 46/8.4 - g/9
	z := 46.0/30 - g/40
	return 15 * math.Log10(1+math.Pow(10, y)+math.Pow(10, z))
}

func (p Params) talkerEcho(no, ist float64) float64 {
	terv := p.TELR - 40*math.Log10((1+p.T/10)/(1+p.T/150)) + 6*math.Exp(-0.3*p.T*p.T)
	if p.STMR < 9 {
		terv += ist / 2
	}
	re := 80 + 2.5*(terv-14)
	roe := -1.5 * (no - p.RLR)
	idte := ((roe-re)/2 + math.Sqrt(square(roe-re)/4+100) - 1) * (1 - math.Exp(-p.T))
	if p.STMR > 20 {
		idte = math.Hypot(idte, ist)
	}
	return idte
}

func (p Params) listenerEcho(ro float64) float64 {
	rle := 10.5 * (p.WEPL + 7) * math.Pow(p.Tr+1, -0.25)
	return (ro-rle)/2 + math.Sqrt(square(ro-rle)/4+169)
}

func (p Params) absoluteDelay() float64 {
	if p.Ta <= p.MT {
		return 0
	}
	x, n := math.Log2(p.Ta/p.MT), 6*p.ST
	return 25 * (norm(x, n) - 3*norm(x/3, n) + 2)
}

// norm is (1 + x^n)^(1/n), the soft maximum of 1 and x that G.107 uses throughout.
func norm(x, n float64) float64 { return math.Pow(1+math.Pow(x, n), 1/n) }

func power(db float64) float64 { return math.Pow(10, db/10) }

func square(x float64) float64 { return x * x }
