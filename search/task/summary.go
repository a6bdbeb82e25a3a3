package task

import "math"

// Score sums up the outcomes on a set of problems. Shares are between 0 and 1.
type Score struct {
	// Problems is how many there were.
	Problems int `json:"problems"`
	// Correct is how many were answered correctly.
	Correct int `json:"correct"`
	// Accuracy is the share of correct replies.
	Accuracy float64 `json:"accuracy"`
	// StdErr is the standard error of Accuracy.
	StdErr float64 `json:"stderr"`
	// Low and High are the ends of Wilson's 95 % interval, which, unlike
	// Accuracy ± 2 StdErr, makes sense near 0 and 1 too.
	Low  float64 `json:"low"`
	High float64 `json:"high"` // the upper end
	// NumberRight and LanguageRight are the shares of replies that have one
	// half of being correct.
	NumberRight   float64 `json:"number_right"`
	LanguageRight float64 `json:"language_right"` // replies in the language that the task wants
}

// Summarize counts outcomes.
func Summarize(outcomes []Outcome) Score {
	s := Score{Problems: len(outcomes)}
	if s.Problems == 0 {
		return s
	}
	var numbers, languages int
	for _, o := range outcomes {
		s.Correct += one(o.Correct)
		numbers += one(o.NumberRight)
		languages += one(o.LanguageRight)
	}
	n := float64(s.Problems)
	p := float64(s.Correct) / n
	s.Accuracy = p
	s.StdErr = math.Sqrt(p * (1 - p) / n)
	s.NumberRight, s.LanguageRight = float64(numbers)/n, float64(languages)/n

	const z = 1.959963984540054 // 97.5 % of a normal distribution lie below
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	s.Low, s.High = math.Max(0, centre-half), math.Min(1, centre+half)
	return s
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
