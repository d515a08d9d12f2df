package call

import "time"

// Facts are everything that can be known about a call beyond its identity. Each
// line is one row of the field table: JSON name, unit, range, how the fold
// treats it, and one sentence. Adding a metric is adding a line here.
//
// Tags: unit; range "min..max" of possible values; enum, the possible texts;
// fold "sum" for a counter that a source may report cumulatively per stream,
// "mos" for the facts that move together with the MOS that won, "ended" for a
// fact that a later report does not correct, "first" for a moment that happens
// once in a call, "span" for a time between two of those.
type Facts struct {
	// The call.
	Direction    string    `json:"direction,omitempty" enum:"inbound,outbound" doc:"who called whom, seen from the account"`
	Status       string    `json:"status,omitempty" enum:"completed,busy,no-answer,failed,canceled,in-progress" doc:"outcome of the call"`
	Answered     *bool     `json:"answered,omitempty" doc:"the call was answered"`
	From         string    `json:"from,omitempty" doc:"caller, E.164 where it parses"`
	To           string    `json:"to,omitempty" doc:"callee, E.164 where it parses"`
	FromCountry  string    `json:"fromCountry,omitempty" case:"upper" length:"2" doc:"ISO 3166 country of the caller's number"`
	ToCountry    string    `json:"toCountry,omitempty" case:"upper" length:"2" doc:"ISO 3166 country of the callee's number"`
	StartedAt    time.Time `json:"startedAt,omitzero" fold:"first" doc:"when the call was initiated"`
	RingingAt    time.Time `json:"ringingAt,omitzero" fold:"first" doc:"when the far end began to ring"`
	AnsweredAt   time.Time `json:"answeredAt,omitzero" fold:"first" doc:"when the call was answered"`
	EndedAt      time.Time `json:"endedAt,omitzero" doc:"when the call ended"`
	DurationSec  *float64  `json:"durationSec,omitempty" unit:"s" range:"0.." fold:"ended" doc:"talk time; includes ringing where the answer time is not known"`
	RingSec      *float64  `json:"ringSec,omitempty" unit:"s" range:"0.." fold:"span" doc:"ringing until answer or end"`
	PDDMs        *float64  `json:"pddMs,omitempty" unit:"ms" seconds:"20" range:"0.." fold:"span" doc:"post-dial delay: initiation to first ringing"`
	SetupMs      *float64  `json:"setupMs,omitempty" unit:"ms" seconds:"20" range:"0.." fold:"span" doc:"initiation to answer"`
	ShortCall    *bool     `json:"shortCall,omitempty" doc:"answered and over within 6 seconds"`
	HangupCause  string    `json:"hangupCause,omitempty" doc:"the provider's own word for why the call ended"`
	HangupCode   *int64    `json:"hangupCode,omitempty" range:"0..1000" doc:"Q.850 cause (1..127) or the switch's own number"`
	HangupClass  string    `json:"hangupClass,omitempty" enum:"normal,user,number,network,config,auth,media,policy,internal" doc:"what kind of cause ended the call"`
	HangupSource string    `json:"hangupSource,omitempty" doc:"who ended the call: caller, callee, or what the provider says"`
	SIPCode      *int64    `json:"sipCode,omitempty" range:"100..699" doc:"final SIP response"`
	AbnormalHang *bool     `json:"abnormalHangup,omitempty" doc:"the cause is a fault of network, configuration, credentials, media or switch"`
	Recorded     *bool     `json:"recorded,omitempty" doc:"a recording exists"`

	// Media, received by the reporter unless the name says remote.
	Codec               string   `json:"codec,omitempty" case:"lower" doc:"audio codec, lower case"`
	PacketsReceived     *int64   `json:"packetsReceived,omitempty" unit:"packets" range:"0.." fold:"sum" doc:"RTP packets received"`
	PacketsLost         *int64   `json:"packetsLost,omitempty" unit:"packets" range:"0.." fold:"sum" doc:"RTP packets that never arrived"`
	PacketsSent         *int64   `json:"packetsSent,omitempty" unit:"packets" range:"0.." fold:"sum" doc:"RTP packets sent"`
	PacketsDiscarded    *int64   `json:"packetsDiscarded,omitempty" unit:"packets" range:"0.." fold:"sum" doc:"packets that arrived too late or too early to be played"`
	PacketsSkipped      *int64   `json:"packetsSkipped,omitempty" unit:"packets" range:"0.." doc:"playout slots without a packet: silence, hold or mute as well; not loss"`
	PacketLossPct       *float64 `json:"packetLossPct,omitempty" unit:"%" range:"0..100" doc:"lost of expected packets"`
	JitterMs            *float64 `json:"jitterMs,omitempty" unit:"ms" range:"0.." doc:"interarrival jitter, mean"`
	JitterMaxMs         *float64 `json:"jitterMaxMs,omitempty" unit:"ms" range:"0.." doc:"largest jitter, or root of the peak variance of packet spacing"`
	RTTMs               *float64 `json:"rttMs,omitempty" unit:"ms" seconds:"2" range:"0.." doc:"round-trip time to the media server, mean"`
	RTTMaxMs            *float64 `json:"rttMaxMs,omitempty" unit:"ms" seconds:"2" range:"0.." doc:"largest round-trip time"`
	JitterBufferMs      *float64 `json:"jitterBufferMs,omitempty" unit:"ms" range:"0.." doc:"mean delay in the jitter buffer"`
	ConcealedPct        *float64 `json:"concealedPct,omitempty" unit:"%" range:"0..100" doc:"played samples that were concealment, silence left out"`
	BurstRatio          *float64 `json:"burstRatio,omitempty" range:"1.." doc:"mean loss burst relative to random loss; 1 is random"`
	AudioLevel          *float64 `json:"audioLevel,omitempty" range:"0..1" doc:"received audio level, mean"`
	BytesReceived       *int64   `json:"bytesReceived,omitempty" unit:"bytes" range:"0.." fold:"sum" doc:"media bytes received"`
	BytesSent           *int64   `json:"bytesSent,omitempty" unit:"bytes" range:"0.." fold:"sum" doc:"media bytes sent"`
	RemotePacketsLost   *int64   `json:"remotePacketsLost,omitempty" unit:"packets" range:"0.." fold:"sum" doc:"packets we sent that the far end missed"`
	RemoteJitterMs      *float64 `json:"remoteJitterMs,omitempty" unit:"ms" range:"0.." doc:"jitter of what we sent, seen by the far end"`
	RemotePacketLossPct *float64 `json:"remotePacketLossPct,omitempty" unit:"%" range:"0..100" doc:"lost of the packets we sent"`
	NoInboundAudio      *bool    `json:"noInboundAudio,omitempty" doc:"answered for 5 s or more, time on hold left out, and no packet received"`
	NoOutboundAudio     *bool    `json:"noOutboundAudio,omitempty" doc:"answered for 5 s or more, time on hold left out, and no packet sent"`
	OneWayAudio         *bool    `json:"oneWayAudio,omitempty" doc:"audio flowed in one direction only"`
	SilentInboundAudio  *bool    `json:"silentInboundAudio,omitempty" doc:"packets were received in 3 intervals in a row, but their audio level was at most 0.001, while not on hold"`
	ICEState            string   `json:"iceState,omitempty" doc:"last ICE connection state"`
	DTLSState           string   `json:"dtlsState,omitempty" doc:"last DTLS state"`
	CandidateType       string   `json:"candidateType,omitempty" doc:"local ICE candidate of the nominated pair: host, srflx, prflx, relay"`
	Relayed             *bool    `json:"relayed,omitempty" doc:"media went through a TURN relay"`

	// Quality.
	MOS           *float64 `json:"mos,omitempty" unit:"MOS" range:"1..5" fold:"mos" doc:"mean opinion score; mosSource says whose"`
	MOSSource     string   `json:"mosSource,omitempty" enum:"provider,estimated,no-media" fold:"mos" doc:"where mos comes from"`
	MOSProvider   *float64 `json:"mosProvider,omitempty" unit:"MOS" range:"0..5" doc:"the provider's figure, also where it was not believed"`
	MOSEstimate   *float64 `json:"mosEstimate,omitempty" unit:"MOS" range:"1..4.5" doc:"E-model estimate (ITU-T G.107, narrowband)"`
	MOSScope      string   `json:"mosScope,omitempty" enum:"listening,conversational" fold:"mos" doc:"whether delay is in the estimate"`
	MOSGrounding  string   `json:"mosGrounding,omitempty" fold:"mos" doc:"what the codec's values rest on: provider, g113, literature, assumed"`
	MOSMissing    []string `json:"mosMissing,omitempty" field:"strings" fold:"mos" doc:"inputs the estimate had to do without"`
	RFactor       *float64 `json:"rFactor,omitempty" unit:"R" range:"0..100" doc:"transmission rating of the estimate"`
	QualityScore  *float64 `json:"qualityScore,omitempty" unit:"%" range:"0..100" doc:"the provider's own score"`
	MOSMin        *float64 `json:"mosMin,omitempty" unit:"MOS" range:"1..4.5" doc:"worst interval"`
	MOSP5         *float64 `json:"mosP5,omitempty" unit:"MOS" range:"1..4.5" doc:"5th percentile over time"`
	MOSBelow35Pct *float64 `json:"mosBelow35Pct,omitempty" unit:"%" range:"0..100" doc:"share of time below MOS 3.5"`

	// Voice agent.
	TurnCount        *int64   `json:"turnCount,omitempty" unit:"turns" range:"0.." doc:"turns the agent took"`
	Interruptions    *int64   `json:"interruptions,omitempty" range:"0.." doc:"times the agent was interrupted"`
	TurnLatencyMs    *float64 `json:"turnLatencyMs,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"end of the user's speech to first agent audio, mean"`
	TurnLatencyP95Ms *float64 `json:"turnLatencyP95Ms,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"95th percentile over the turns, the largest below five turns"`
	TurnLatencyMaxMs *float64 `json:"turnLatencyMaxMs,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"slowest turn"`
	STTLatencyMs     *float64 `json:"sttLatencyMs,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"speech to text, mean"`
	LLMLatencyMs     *float64 `json:"llmLatencyMs,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"language model, mean"`
	TTSLatencyMs     *float64 `json:"ttsLatencyMs,omitempty" unit:"ms" seconds:"20" range:"0.." doc:"text to speech, mean"`
	LLMTokens        *int64   `json:"llmTokens,omitempty" unit:"tokens" range:"0.." doc:"tokens of the language model"`
	TTSChars         *int64   `json:"ttsChars,omitempty" unit:"characters" range:"0.." doc:"characters spoken"`
	EndReason        string   `json:"endReason,omitempty" doc:"why the agent's conversation ended"`
	ErrorCount       *int64   `json:"errorCount,omitempty" range:"0.." doc:"errors during the call"`
	FatalError       *bool    `json:"fatalError,omitempty" doc:"an error ended the call"`
	ErrorCode        string   `json:"errorCode,omitempty" doc:"the provider's error code"`
	ErrorMessage     string   `json:"errorMessage,omitempty" doc:"the provider's error text"`

	// Cost.
	Cost         *float64 `json:"cost,omitempty" range:"0.." doc:"price of the call in costCurrency"`
	CostCurrency string   `json:"costCurrency,omitempty" doc:"ISO 4217 code, or credits"`
	CostPerMin   *float64 `json:"costPerMin,omitempty" range:"0.." doc:"cost per minute of durationSec"`
}
