package task

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLastNumber(t *testing.T) {
	for reply, want := range map[string]string{
		"51+29=80なので、答えは80個です。": "80",
		"答えは８０個":                "80",
		"答えは－１，２３４．５です":         "-1234.5",
		"It is 1,234.":          "1234",
		"It is 1,234,567.89!":   "1234567.89",
		"$1,000":                "1000",
		"The answers: 3,4,5":    "5",
		"3, 4, 5":               "5",
		"1,2345":                "2345",
		"12,34.5":               "34.5",
		"80.":                   "80",
		"80,":                   "80",
		"80.0":                  "80.0",
		"It is .5":              "0.5",
		"-7":                    "-7",
		"It is -7":              "-7",
		"答えは-7です":               "-7",
		"答えは−7です":               "-7",
		"(-7)":                  "-7",
		"10-3":                  "3",
		"10 - 3":                "3",
		"10 -3":                 "-3",
		"(2)-3":                 "3",
		"GPT-4":                 "4",
		"#### 18":               "18",
		"007":                   "007",
		"no number":             "",
		"八十":                    "",
		"":                      "",
		",,,":                   "",
		strings.Repeat("9", 99): strings.Repeat("9", maxDigits),
	} {
		_, text, _ := LastNumber.extract(reply)
		assert.Equal(t, want, text, "%q", reply)
	}
}

func TestThePapersExtractor(t *testing.T) {
	for reply, want := range map[string]string{
		"答えは80個です。":  "80",
		"答えは８０個です。":  "80",
		"1,234":      "234", // as published
		"答えは-7です":    "7",   // as published
		"It is 3.50": "3.50",
		"It is .5":   ".5",
		"80.":        "80",
		"none":       "",
	} {
		_, text, _ := Paper.extract(reply)
		assert.Equal(t, want, text, "%q", reply)
	}
}

func TestScore(t *testing.T) {
	japanese, err := newGate("ja")
	assert.NoError(t, err)
	for name, c := range map[string]struct {
		extractor             Extractor
		gate                  *gate
		answer, reply         string
		number, language, all bool
	}{
		"right":                          {LastNumber, japanese, "80", "答えは80です。", true, true, true},
		"wrong number":                   {LastNumber, japanese, "81", "答えは80です。", false, true, false},
		"wrong language":                 {LastNumber, japanese, "80", "The answer is 80.", true, false, false},
		"both wrong":                     {LastNumber, japanese, "81", "The answer is 80.", false, false, false},
		"no number":                      {LastNumber, japanese, "80", "わかりません。", false, true, false},
		"nothing":                        {LastNumber, japanese, "80", "", false, false, false},
		"equal in value, not in writing": {LastNumber, nil, "80", "80.00", true, true, true},
		"thousands":                      {LastNumber, nil, "1,234", "It is 1234", true, true, true},
		"sign":                           {LastNumber, nil, "7", "-7", false, true, false},
		"sign lost by the paper's way":   {Paper, nil, "7", "-7", true, true, true},
		"a float would call them equal":  {LastNumber, nil, "9007199254740993", "9007199254740992", false, true, false},
		"too long to be a number":        {LastNumber, nil, "80", strings.Repeat("9", 1000), false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			task := &Task{metric: numbers{extractor: c.extractor}, gate: c.gate}
			o, err := task.Score(t.Context(), Problem{Answer: c.answer}, Reply{Text: c.reply})
			require.NoError(t, err)
			assert.Equal(t, c.number, o.NumberRight)
			assert.Equal(t, c.language, o.LanguageRight)
			assert.Equal(t, c.all, o.Correct)
			assert.Equal(t, c.all, o.Score == 1)
			assert.Equal(t, c.reply, o.Reply)
		})
	}
}

func TestAnswersAreNumbers(t *testing.T) {
	for text, want := range map[string]bool{
		"80": true, "-7": true, "1,234": true, "3.5": true, " 80 ": true, "８０": true,
		"": false, "eighty": false, "80 apples": false, "#### 80": false, "80個": false, "8 0": false,
	} {
		_, ok := parseAnswer(text)
		assert.Equal(t, want, ok, "%q", text)
	}
}
