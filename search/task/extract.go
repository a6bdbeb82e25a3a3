package task

import (
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Extractor says how the answer is read from a reply.
type Extractor string

// The extractors.
const (
	// LastNumber reads the last number as a person would: with its sign, its
	// decimals, commas between thousands, and full-width digits.
	LastNumber Extractor = "last_number"
	// Paper is what the paper's code does: the last match of \d*\.?\d+, so that
	// "1,234" reads as 234 and a minus sign is lost.
	Paper Extractor = "paper"
)

// Extractors lists the extractors.
func Extractors() []Extractor { return []Extractor{LastNumber, Paper} }

// maxDigits bounds the numbers that are understood, so that a reply of nothing
// but digits costs nothing to compare.
const maxDigits = 64

var (
	lastNumberPattern = regexp.MustCompile(`[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+`)
	thousands         = regexp.MustCompile(`^[0-9]{1,3}(?:,[0-9]{3})+$`)
	paperPattern      = regexp.MustCompile(`[0-9]*\.?[0-9]+`)
)

// number is an exact decimal, so that 80, 80.0 and 0.1+0.2 compare as they
// should.
type number struct{ rat *big.Rat }

func (n number) equals(m number) bool { return n.rat.Cmp(m.rat) == 0 }

// parseNumber reads an optional sign, digits and decimals.
func parseNumber(text string) (number, bool) {
	if text == "" || len(text) > maxDigits {
		return number{}, false
	}
	r, ok := new(big.Rat).SetString(text)
	return number{r}, ok
}

// extract finds the answer in a reply: its value, and the text it was read
// from in plain form. It reports false if there is none.
func (e Extractor) extract(reply string) (number, string, bool) {
	reply = halfWidth.Replace(reply)
	var text string
	if e == Paper {
		matches := paperPattern.FindAllString(reply, -1)
		if len(matches) == 0 {
			return number{}, "", false
		}
		text = matches[len(matches)-1]
	} else if text = lastNumber(reply); text == "" {
		return number{}, "", false
	}
	n, ok := parseNumber(text)
	return n, clip(text), ok
}

// lastNumber gives the last number in plain form: "-1234.5".
func lastNumber(reply string) string {
	matches := lastNumberPattern.FindAllStringIndex(reply, -1)
	if len(matches) == 0 {
		return ""
	}
	at := matches[len(matches)-1]
	text := reply[at[0]:at[1]]
	whole, decimals := text, ""
	if dot := strings.IndexByte(text, '.'); dot >= 0 {
		whole, decimals = text[:dot], text[dot:]
	}
	whole = strings.TrimRight(whole, ",")
	sign := ""
	switch comma := strings.LastIndexByte(whole, ','); {
	case comma >= 0 && !thousands.MatchString(whole):
		// A list such as "3,4,5": only its last member counts.
		whole = whole[comma+1:]
	default:
		if negated(reply[:at[0]]) {
			sign = "-"
		}
		whole = strings.ReplaceAll(whole, ",", "")
	}
	if whole == "" {
		whole = "0"
	}
	return sign + whole + decimals
}

// negated reports whether the text before a number ends with a minus sign,
// rather than with the operator of a subtraction or the hyphen of a word.
func negated(before string) bool {
	rest, ok := strings.CutSuffix(before, "-")
	if !ok {
		return false
	}
	if rest == "" {
		return true
	}
	c := rest[len(rest)-1]
	isASCIIWord := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	return !isASCIIWord && c != ')' && c != '%'
}

// parseAnswer reads the answer of a problem: one number and nothing else.
func parseAnswer(text string) (number, bool) {
	text = strings.TrimSpace(halfWidth.Replace(text))
	plain := lastNumber(text)
	if plain == "" || len(plain) < len(strings.ReplaceAll(text, ",", "")) {
		return number{}, false
	}
	return parseNumber(plain)
}

// clip keeps what is shown of an endless number, or an answer, short.
func clip(text string) string {
	if len(text) <= maxDigits {
		return text
	}
	end := maxDigits
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// halfWidth turns the digits, signs and points of East Asian typography into
// those of ASCII.
var halfWidth = strings.NewReplacer(
	"０", "0", "１", "1", "２", "2", "３", "3", "４", "4",
	"５", "5", "６", "6", "７", "7", "８", "8", "９", "9",
	"．", ".", "，", ",", "－", "-", "−", "-",
)
