package task

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"io"

	"github.com/mergeway/mergeway/fault"
)

// Sample is the verdict on the reply to one problem.
type Sample struct {
	ID string `json:"id"` // the problem's
	Outcome
	// ReplyDropped tells that the reply was not kept: there was no room for all of
	// them.
	ReplyDropped bool `json:"reply_dropped,omitempty"`
}

// Samples are the verdicts on the replies to problems, in their order.
func Samples(problems []Problem, outcomes []Outcome) []Sample {
	all := make([]Sample, min(len(problems), len(outcomes)))
	for i := range all {
		all[i] = Sample{ID: problems[i].ID, Outcome: outcomes[i]}
	}
	return all
}

// samplesFormat is the first byte of encoded samples.
const samplesFormat = 1

// maxSamplesBytes bounds what encoded samples unfold to.
const maxSamplesBytes = 1 << 30

// packed is a sample as it is kept: what most samples lack takes no room. Correct
// follows from the score.
type packed struct {
	ID        string  `json:"i"`
	Score     float64 `json:"s,omitempty"`
	Number    bool    `json:"n,omitempty"`
	Language  bool    `json:"l,omitempty"`
	Extracted string  `json:"e,omitempty"`
	Reply     string  `json:"r,omitempty"`
	Dropped   bool    `json:"d,omitempty"`
	Failure   string  `json:"f,omitempty"`
}

// EncodeSamples writes samples compactly: a byte for the format, and compressed
// JSON, an object each. Of their replies as many are kept, from the first on, as
// fit into replyBytes.
func EncodeSamples(samples []Sample, replyBytes int) ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte(samplesFormat)
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	full := false
	for _, s := range samples {
		p := packed{ID: s.ID, Score: s.Score, Number: s.NumberRight, Language: s.LanguageRight, Extracted: s.Extracted, Reply: s.Reply, Dropped: s.ReplyDropped, Failure: s.Failure}
		if full = full || len(s.Reply) > replyBytes; full && s.Reply != "" {
			p.Reply, p.Dropped = "", true
		}
		replyBytes -= len(p.Reply)
		if err := lines.Encode(p); err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the sample of problem %s can't be kept", s.ID)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// DecodeSamples reads what [EncodeSamples] wrote.
func DecodeSamples(data []byte) ([]Sample, error) {
	samples := []Sample{}
	if len(data) == 0 {
		return samples, nil
	}
	if data[0] != samplesFormat {
		return nil, fault.New(fault.Damaged, "the samples have the format %d; this mergeway reads %d", data[0], samplesFormat)
	}
	r := flate.NewReader(bytes.NewReader(data[1:]))
	defer r.Close()
	lines := json.NewDecoder(io.LimitReader(r, maxSamplesBytes))
	for {
		var p packed
		err := lines.Decode(&p)
		if err == io.EOF {
			return samples, nil
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "the samples can't be read")
		}
		samples = append(samples, Sample{ID: p.ID, ReplyDropped: p.Dropped, Outcome: Outcome{
			Score: p.Score, Correct: p.Score == 1, NumberRight: p.Number, LanguageRight: p.Language,
			Extracted: p.Extracted, Reply: p.Reply, Failure: p.Failure,
		}})
	}
}
