package zoo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Op is an arithmetic operation.
type Op string

// The operations of the word problems, written as they appear in equations.
const (
	Plus  Op = "+"
	Minus Op = "-"
	Times Op = "×"
)

// Ops lists every operation, in the order in which tasks deal them out.
var Ops = []Op{Plus, Minus, Times}

// Level says how large the numbers of a problem are.
type Level string

// Easy problems need no carry and no times table; hard ones do. The two levels
// share no pair of numbers.
const (
	Easy Level = "easy"
	Hard Level = "hard"
)

// Sum is a bare calculation: two numbers and what to do with them.
type Sum struct {
	Op   Op
	A, B int
}

// drawSum picks a calculation of a level.
//
//   - easy: two-digit numbers added without a carry or subtracted without a
//     borrow; one digit times 1 or 2
//   - hard: two-digit numbers added with a carry, up to 99, or subtracted with
//     a borrow; 3–20 times 3–9
func drawSum(r *rand.Rand, op Op, level Level) Sum {
	if op == Times {
		if level == Easy {
			return Sum{op, between(r, 1, 9), between(r, 1, 2)}
		}
		return Sum{op, between(r, 3, 20), between(r, 3, 9)}
	}
	for {
		// Both sums come from one addition: part + part = whole.
		part, other := between(r, 10, 89), between(r, 10, 89)
		whole := part + other
		carries := part%10+other%10 > 9
		switch {
		case whole > 99 || carries != (level == Hard):
		case op == Plus:
			return Sum{op, part, other}
		default:
			return Sum{op, whole, other}
		}
	}
}

// Result is the value of the calculation.
func (s Sum) Result() int {
	switch s.Op {
	case Plus:
		return s.A + s.B
	case Minus:
		return s.A - s.B
	default:
		return s.A * s.B
	}
}

// Left is the calculation without its result: "51+29".
func (s Sum) Left() string { return fmt.Sprintf("%d%s%d", s.A, s.Op, s.B) }

// Equation is the calculation with its result: "51+29=80".
func (s Sum) Equation() string { return fmt.Sprintf("%s=%d", s.Left(), s.Result()) }

// Problem is a word problem before it is put into words: a calculation, the
// people and the thing it is about, and which of the story forms tells it.
type Problem struct {
	Sum
	form   form
	person word
	thing  object
}

// form is one way to tell a calculation as a story. In the texts {n} stands
// for the person, {o} for the thing, {c} for its Japanese counter, {a} and {b}
// for the numbers. A story and its question are kept apart, because the same
// story is also asked for its equation only.
type form struct {
	op              Op
	story, question word
}

var forms = []form{
	{Plus,
		word{"{n}さんは{o}を{a}{c}持っています。{b}{c}もらいました。", "{n} has {a} {o}. {n} gets {b} more."},
		word{"全部で何{c}ですか。", "How many {o} are there in all?"}},
	{Plus,
		word{"箱に{o}が{a}{c}あります。{n}さんが{b}{c}入れました。", "There are {a} {o} in the box. {n} puts in {b} more."},
		word{"今何{c}ありますか。", "How many {o} are there now?"}},
	{Minus,
		word{"{n}さんは{o}を{a}{c}持っています。{b}{c}あげました。", "{n} has {a} {o}. {n} gives away {b}."},
		word{"残りは何{c}ですか。", "How many {o} are left?"}},
	{Minus,
		word{"店に{o}が{a}{c}あります。{n}さんが{b}{c}買いました。", "There are {a} {o} in the store. {n} buys {b}."},
		word{"何{c}残っていますか。", "How many {o} remain?"}},
	{Times,
		word{"{n}さんは袋を{a}袋持っています。どの袋にも{o}が{b}{c}入っています。", "{n} has {a} bags. Every bag holds {b} {o}."},
		word{"全部で何{c}ですか。", "How many {o} are there in all?"}},
	{Times,
		word{"{n}さんは{a}人に{o}を{b}{c}ずつ配りました。", "{n} gave each of {a} people {b} {o}."},
		word{"全部で何{c}配りましたか。", "How many {o} were given in all?"}},
}

// drawProblem picks a word problem of a level over one operation.
func drawProblem(r *rand.Rand, op Op, level Level) Problem {
	ofOp := slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return f.op != op })
	return Problem{
		Sum:    drawSum(r, op, level),
		form:   pick(r, ofOp),
		person: pick(r, people),
		thing:  pick(r, objects),
	}
}

// Key names what the problem is about, whatever form and language it is told
// in. Splits share no key, and training texts hold none of a split's keys.
func (p Problem) Key() string {
	return strings.Join([]string{p.Left(), p.person.en, p.thing.en}, "|")
}

// Question is the whole word problem: what a user would type.
func (p Problem) Question(l Lang) string {
	return p.Story(l) + gap(l) + p.fill(l, p.form.question)
}

// Story is the word problem without its question.
func (p Problem) Story(l Lang) string { return p.fill(l, p.form.story) }

// Reply answers the question: the equation first, then the answer in words.
func (p Problem) Reply(l Lang) string {
	if l == Japanese {
		return fmt.Sprintf("%sなので、答えは%d%sです。", p.Equation(), p.Result(), p.thing.counter)
	}
	return fmt.Sprintf("%s, so the answer is %d %s.", p.Equation(), p.Result(), p.thing.en)
}

// fill puts the problem's words and numbers into a text.
func (p Problem) fill(l Lang, text word) string {
	return strings.NewReplacer(
		"{n}", p.person.in(l), "{o}", p.thing.in(l), "{c}", p.thing.counter,
		"{a}", fmt.Sprint(p.A), "{b}", fmt.Sprint(p.B),
	).Replace(text.in(l))
}

// gap separates two sentences: Japanese needs nothing, English a space.
func gap(l Lang) string {
	if l == Japanese {
		return ""
	}
	return " "
}

// between draws a number from lo to hi, both included.
func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

// pick draws one element.
func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
