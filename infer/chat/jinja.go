package chat

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"

	"github.com/mergeway/mergeway/fault"
)

const templateName = "chat"

// compile parses a template the way transformers does (trim_blocks and
// lstrip_blocks on). Its loader knows this one template and no files, so that
// include and import have nothing to reach.
func compile(source string) (_ *exec.Template, err error) {
	defer recoverInto(&err)
	if err := checkDepth(source); err != nil {
		return nil, err
	}
	source = callConditionals(source)
	settings := config.New()
	settings.TrimBlocks = true
	loader, err := loaders.NewMemoryLoader(map[string]string{"/" + templateName: leftStrip(source)})
	if err != nil {
		return nil, err
	}
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	for name, filter := range map[string]exec.FilterFunction{"list": listOf, "items": items, "tojson": toJSON} {
		if err := filters.Replace(name, filter); err != nil {
			return nil, err
		}
	}
	structures := exec.NewControlStructureSet(map[string]parser.ControlStructureParser{"generation": parseGeneration})
	structures.Update(builtins.ControlStructures)
	for name, parse := range map[string]parser.ControlStructureParser{"macro": parseMacro, "for": parseFor} {
		if err := structures.Replace(name, parse); err != nil {
			return nil, err
		}
	}
	methods := builtins.Methods
	methods.Str, methods.Dict = stringMethods(), dictMethods()
	return exec.NewTemplate("/"+templateName, settings, loader, &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters:           filters,
		Tests:             builtins.Tests,
		ControlStructures: structures,
		Methods:           methods,
	})
}

var indentedBlock = regexp.MustCompile(`(?m)^[^\S\n]+(\{[%#][^+])`)

// leftStrip is lstrip_blocks: a block that begins a line loses its indentation.
// gonja's own takes the spaces before every block, also within a line.
func leftStrip(source string) string { return indentedBlock.ReplaceAllString(source, "$1") }

// execute runs a compiled template. What the template says with
// raise_exception is the caller's mistake (roles out of order, say); anything
// else that fails in it is reported as such.
func execute(t *exec.Template, out io.Writer, values map[string]any) (err error) {
	defer recoverInto(&err)
	var raised error
	values["raise_exception"] = func(message string) (string, error) {
		raised = fault.Bad("messages", "the model's chat template says: %s", message)
		return "", raised
	}
	values["range"] = func(params *exec.VarArgs) ([]int, error) {
		items, err := boundedRange(params)
		if errors.Is(err, errTooLong) { // gonja would keep the words only
			raised = fault.Wrap(err, fault.TooLarge, "a range in the model's chat template has more than %d items", maxRange)
		}
		return items, err
	}
	values["strftime_now"] = strftimeNow
	values["dict"] = newDict
	values[chooseName] = choose
	values[macroCallsName] = &macroCalls{}
	values[loopTurnsName] = &loopTurns{}
	err = t.Execute(out, exec.NewContext(values))
	switch {
	case raised != nil:
		return raised
	case errors.Is(err, errTooLong):
		return fault.Wrap(err, fault.TooLarge, "the conversation is too long for its chat template")
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "the model's chat template fails")
	}
	return nil
}

// maxRange is the longest range a template may count, as in Jinja's sandbox:
// loops list their items before they begin.
const maxRange = 100_000

// boundedRange is range([start,] stop[, step]).
func boundedRange(params *exec.VarArgs) ([]int, error) {
	start, stop, step := 0, 0, 1
	for _, arg := range params.Args {
		if !arg.IsInteger() {
			return nil, errors.New("range: an argument is not a whole number")
		}
	}
	switch args := params.Args; len(args) {
	case 1:
		stop = args[0].Integer()
	case 2:
		start, stop = args[0].Integer(), args[1].Integer()
	case 3:
		start, stop, step = args[0].Integer(), args[1].Integer(), args[2].Integer()
	default:
		return nil, errors.New("range: one to three arguments are wanted")
	}
	if step == 0 {
		return nil, errors.New("range: the step is 0")
	}
	items := []int{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(items) == maxRange {
			return nil, errTooLong
		}
		items = append(items, i)
	}
	return items, nil
}

// recoverInto turns a panic of the template engine into an error.
func recoverInto(err *error) {
	if cause := recover(); cause != nil {
		*err = fault.Wrap(fmt.Errorf("%v", cause), fault.Invalid, "the chat template fails")
	}
}

// strftimeNow formats today's date for the few templates that print it.
func strftimeNow(format string) string {
	now := time.Now()
	var out []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out = append(out, format[i])
			continue
		}
		i++
		layout, known := map[byte]string{
			'Y': "2006", 'm': "01", 'd': "02", 'B': "January", 'b': "Jan",
			'%': "%", 'A': "Monday", 'a': "Mon", 'H': "15", 'M': "04", 'S': "05",
		}[format[i]]
		if !known {
			out = append(out, '%', format[i])
			continue
		}
		out = now.AppendFormat(out, layout)
	}
	return string(out)
}
