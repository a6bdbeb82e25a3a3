package task

import "math"

// Interval says how the ends of a [Score]'s 95 % interval were found.
type Interval string

// The intervals.
const (
	// Wilson is the score interval of a share. Unlike ± 2 StdErr it makes sense
	// near 0 and 1 too.
	Wilson Interval = "wilson"
	// Normal is the mean ± 1.96 standard errors, within 0 and 1: for scores that
	// can be anything between.
	Normal Interval = "normal"
)

// Score sums up the outcomes on a set of problems. Shares are between 0 and 1.
type Score struct {
	// Problems is how many there were.
	Problems int `json:"problems"`
	// Correct is how many were answered correctly, with a score of 1.
	Correct int `json:"correct"`
	// Accuracy is the mean score: the share of correct replies, where a reply is
	// right or wrong.
	Accuracy float64 `json:"accuracy"`
	// StdErr is the standard error of Accuracy.
	StdErr float64 `json:"stderr"`
	// Low and High are the ends of the 95 % interval of Accuracy.
	Low  float64 `json:"low"`
	High float64 `json:"high"` // the upper end
	// Interval says how they were found.
	Interval Interval `json:"interval,omitempty" enums:"wilson,normal"`
	// NumberRight and LanguageRight are the shares of replies that have one
	// half of being correct.
	NumberRight   float64 `json:"number_right"`
	LanguageRight float64 `json:"language_right"` // replies in the language that the task wants
	// Failures counts the replies that could not be judged.
	Failures int `json:"failures,omitempty"`
}

const z95 = 1.959963984540054 // 97.5 % of a normal distribution lie below

// Summarize counts outcomes. Their interval is Wilson's if each score is 0 or 1.
func Summarize(outcomes []Outcome) Score {
	s := Score{Problems: len(outcomes)}
	if s.Problems == 0 {
		return s
	}
	var sum float64
	var numbers, languages int
	graded := false
	for _, o := range outcomes {
		sum += o.Score
		graded = graded || o.Score != 0 && o.Score != 1
		s.Correct += one(o.Correct)
		numbers += one(o.NumberRight)
		languages += one(o.LanguageRight)
		s.Failures += one(o.Failure != "")
	}
	n := float64(s.Problems)
	s.Accuracy = sum / n
	s.NumberRight, s.LanguageRight = float64(numbers)/n, float64(languages)/n
	if graded {
		s.normal(outcomes)
	} else {
		s.wilson()
	}
	return s
}

// normal fills in what is known of a mean of graded scores.
func (s *Score) normal(outcomes []Outcome) {
	n, squares := float64(s.Problems), 0.0
	for _, o := range outcomes {
		squares += (o.Score - s.Accuracy) * (o.Score - s.Accuracy)
	}
	if n > 1 {
		s.StdErr = math.Sqrt(squares / (n - 1) / n)
		s.Low, s.High = math.Max(0, s.Accuracy-z95*s.StdErr), math.Min(1, s.Accuracy+z95*s.StdErr)
	} else {
		s.High = 1 // one score says nothing about the next
	}
	s.Interval = Normal
}

// wilson fills in what is known of a share.
func (s *Score) wilson() {
	n, p := float64(s.Problems), s.Accuracy
	s.StdErr = math.Sqrt(p * (1 - p) / n)
	centre := (p + z95*z95/(2*n)) / (1 + z95*z95/n)
	half := z95 / (1 + z95*z95/n) * math.Sqrt(p*(1-p)/n+z95*z95/(4*n*n))
	s.Low, s.High = math.Max(0, centre-half), math.Min(1, centre+half)
	s.Interval = Wilson
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
