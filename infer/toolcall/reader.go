package toolcall

import "strings"

// Part is a part of a reply: some text, or some of a call.
type Part struct {
	Text string

	Call      int    // which call of the reply
	Name      string // its function, in the call's first part and nowhere else
	Arguments string // more of them
}

// Options say what a reader looks for.
type Options struct {
	Format    Format
	Functions []string // that may be called
	Most      int      // calls that are given; what the model calls beyond them is dropped
	// Whole is for replies that are shown in one piece: nothing of a call is given
	// before it is known to be one. Otherwise arguments are given as they come, and
	// those that turn out to be no JSON have already been.
	Whole bool
}

// Reader splits one reply into text and calls as it grows. Spaces around calls
// belong to neither.
type Reader struct {
	Options
	names map[string]bool
	mode  mode
	rest  string // not read yet
	out   []Part // not given yet

	raw   string // read since the mark of a call, and text if none follows
	space string // the end of the text so far, if it is spaces
	begun bool   // the reply has more than spaces

	list   bool // within a list of calls
	call   call
	shown  int  // bytes of its arguments that have been given
	given  bool // it is among those given, at least in part
	calls  int  // that have been given
	broken bool // one of them is not whole
}

// mode is what comes next.
type mode int

const (
	inText   mode = iota
	before        // a call
	inCall        // more of it
	after         // the end of the calls, or another one
	inBroken      // arguments that are no JSON, up to the mark at their end
)

// NewReader begins a reply.
func NewReader(o Options) *Reader {
	r := &Reader{Options: o, names: map[string]bool{}}
	for _, name := range o.Functions {
		r.names[name] = true
	}
	return r
}

// Push takes more of the reply and gives what it adds. What may still become a
// call, or a mark, is held back.
func (r *Reader) Push(text string) []Part {
	r.rest += text
	for r.step() {
	}
	return r.take()
}

// Flush ends the reply and gives what was held back.
func (r *Reader) Flush() []Part {
	switch {
	case r.mode == inCall && r.call.state == settled:
		r.finish()
	case r.mode == inCall && r.call.state == argued:
		r.give()
		r.broken = true
	case r.mode == inCall, r.mode == before:
		r.fail()
	case r.mode == inBroken:
		r.add(Part{Call: r.calls - 1, Arguments: r.rest})
		r.rest = ""
	}
	r.mode = inText
	r.text(r.rest)
	r.rest = ""
	if r.calls == 0 {
		r.add(Part{Text: r.space})
	}
	return r.take()
}

// Called tells whether the reply has calls and all are whole.
func (r *Reader) Called() bool { return r.calls > 0 && !r.broken }

// add gives a part, if there is anything in it.
func (r *Reader) add(p Part) {
	if p.Call < r.Most && p != (Part{Call: p.Call}) {
		r.out = append(r.out, p)
	}
}

func (r *Reader) take() []Part {
	out := r.out
	r.out = nil
	return out
}

// step reads on, and tells whether it should be called again.
func (r *Reader) step() bool {
	switch r.mode {
	case before:
		return r.stepBefore()
	case inCall:
		return r.stepCall()
	case after:
		return r.stepAfter()
	case inBroken:
		return r.stepBroken()
	}
	return r.stepText()
}

// stepText gives text up to the mark of a call.
func (r *Reader) stepText() bool {
	if r.Format.bare && !r.begun {
		trimmed := trimLeft(r.rest)
		r.space += r.rest[:len(r.rest)-len(trimmed)]
		r.rest = trimmed
		if strings.HasPrefix(trimmed, "{") {
			r.mode = before
			return true
		}
	}
	text, rest, found := cutMark(r.rest, r.Format.open)
	r.text(text)
	r.rest = rest
	if found {
		r.raw, r.mode = r.Format.open, before
	}
	return found
}

// stepBefore finds the beginning of a call.
func (r *Reader) stepBefore() bool {
	r.skipSpace()
	switch {
	case r.rest == "":
		return false
	case r.rest[0] == '[' && r.Format.list && !r.list:
		r.list = true
		r.raw += "["
		r.rest = r.rest[1:]
	case r.rest[0] == '{':
		r.call, r.shown, r.given = call{names: r.names}, 0, false
		r.mode = inCall
	default:
		r.fail()
	}
	return true
}

// stepCall reads the object of a call.
func (r *Reader) stepCall() bool {
	for i := range len(r.rest) {
		if r.call.push(r.rest[i]) {
			if r.call.state == ended {
				r.rest = r.rest[i+1:]
				r.finish()
				return true
			}
			continue
		}
		r.rest = r.rest[i:]
		switch {
		case r.call.state == settled: // all that is missing is the end of the object
			r.finish()
		case r.given:
			r.give()
			r.mode, r.broken = inBroken, true
		default:
			r.fail()
		}
		return true
	}
	r.rest = ""
	if r.call.state != reading && !r.Whole {
		r.give()
	}
	return false
}

// stepAfter finds what follows a call.
func (r *Reader) stepAfter() bool {
	r.skipSpace()
	r.raw = ""
	next, end := r.Format.next, r.Format.close
	if r.list {
		next, end = ",", "]"
	}
	for _, mark := range []string{next, end} {
		switch {
		case mark == "":
		case strings.HasPrefix(r.rest, mark):
			r.rest = r.rest[len(mark):]
			if mark == next {
				r.raw, r.mode = mark, before
			} else {
				r.list, r.mode = false, inText
			}
			return true
		case strings.HasPrefix(mark, r.rest):
			return false
		}
	}
	r.list, r.mode = false, inText
	return true
}

// stepBroken gives what the model wrote instead of JSON.
func (r *Reader) stepBroken() bool {
	text, rest, found := cutMark(r.rest, r.Format.close)
	r.add(Part{Call: r.calls - 1, Arguments: text})
	r.rest = rest
	if found {
		r.mode = inText
	}
	return found
}

// give gives what is new of a call.
func (r *Reader) give() {
	if !r.given {
		r.given, r.begun = true, true
		r.space = ""
		r.calls++
		r.add(Part{Call: r.calls - 1, Name: r.call.name})
	}
	arguments := r.call.arguments()
	r.add(Part{Call: r.calls - 1, Arguments: arguments[r.shown:]})
	r.shown = len(arguments)
}

// finish gives a whole call.
func (r *Reader) finish() {
	r.give()
	r.mode = after
}

// fail makes text of what was no call.
func (r *Reader) fail() {
	raw := r.raw
	if r.mode == inCall {
		raw += string(r.call.raw)
	}
	r.raw, r.list, r.mode = "", false, inText
	r.text(raw)
}

// text gives text, without the spaces at its end as long as nothing follows, and
// without those after a call.
func (r *Reader) text(s string) {
	s = r.space + s
	text := strings.TrimRight(s, spaces)
	r.space = s[len(text):]
	if text == "" {
		return
	}
	if r.calls > 0 && r.given {
		text, r.given = trimLeft(text), false
	}
	r.begun = true
	r.add(Part{Text: text})
}

// skipSpace reads spaces.
func (r *Reader) skipSpace() {
	trimmed := trimLeft(r.rest)
	r.raw += r.rest[:len(r.rest)-len(trimmed)]
	r.rest = trimmed
}
