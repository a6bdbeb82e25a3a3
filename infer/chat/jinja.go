package chat

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"

	"github.com/mergeway/mergeway/fault"
)

const templateName = "chat"

// compile parses a template the way transformers does (trim_blocks and
// lstrip_blocks on). Its loader knows this one template and no files, so that
// include and import have nothing to reach.
func compile(source string) (_ *exec.Template, err error) {
	defer recoverInto(&err)
	settings := config.New()
	settings.TrimBlocks, settings.LeftStripBlocks = true, true
	loader, err := loaders.NewMemoryLoader(map[string]string{"/" + templateName: source})
	if err != nil {
		return nil, err
	}
	return exec.NewTemplate("/"+templateName, settings, loader, &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters:           builtins.Filters,
		Tests:             builtins.Tests,
		ControlStructures: builtins.ControlStructures,
		Methods:           builtins.Methods,
	})
}

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
	values["strftime_now"] = strftimeNow
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
			'A': "Monday", 'a': "Mon", 'H': "15", 'M': "04", 'S': "05",
		}[format[i]]
		if !known {
			out = append(out, '%', format[i])
			continue
		}
		out = now.AppendFormat(out, layout)
	}
	return string(out)
}
