package chat

import (
	"maps"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// form is how a template takes the contents of a role's messages.
type form struct {
	strings  bool // as text
	lists    bool // as a list of typed parts
	pictures bool // with pictures among them, for which it writes their token
}

// contentProbe stands in a content to see whether it reaches the output, and
// dumpProbe where only a template that doesn't look at a content would write it.
const (
	contentProbe = "mergeway-content-probe"
	dumpProbe    = "mergeway-dump-probe"
)

// formProbes are conversations with a [contentProbe] in a message of each role,
// and where that is.
var formProbes = []struct {
	role     string
	messages []Message
	at       int
}{
	{"user", []Message{{Role: "user", Content: contentProbe}}, 0},
	{"system", []Message{{Role: "system", Content: contentProbe}, {Role: "user", Content: "x"}}, 0},
	{"assistant", []Message{{Role: "user", Content: "x"}, {Role: "assistant", Content: contentProbe}, {Role: "user", Content: "x"}}, 1},
}

// findForms finds out how the template takes contents.
func (v *variant) findForms() {
	v.forms = map[string]form{"tool": {strings: true}}
	for _, probe := range formProbes {
		// What can be read in neither form is told as text: then it is known what
		// the template has against it.
		v.forms[probe.role] = form{strings: true}
		if v.takesList(probe.messages, probe.at, false) {
			v.forms[probe.role] = form{strings: v.writes(contentProbe, probe.messages), lists: true}
		}
	}
}

// findPictures finds out where the template writes the token of a picture that a
// list has.
func (v *variant) findPictures() {
	v.forms = maps.Clone(v.forms)
	for role, messages := range map[string][]Message{"user": formProbes[0].messages, "tool": toolProbe()} {
		f := v.forms[role]
		f.pictures = f.lists && v.takesList(messages, len(messages)-1, true)
		v.forms[role] = f
	}
}

// takesList finds out whether the template reads the content of the message at
// some place of a conversation as a list; with a picture, whether it writes that
// one's token as well.
func (v *variant) takesList(messages []Message, at int, picture bool) bool {
	turns, _, err := v.values(messages, nil, unmarked)
	if err != nil {
		return false
	}
	turn, ok := turns[at].(map[string]any)
	if !ok {
		return false
	}
	content := list{dict([]*exec.Pair{pair("type", "text"), pair("text", contentProbe), pair("probe", dumpProbe)})}
	if picture {
		content = append(list{picturePart()}, content...)
	}
	turn["content"] = content
	text, err := v.execute(turns, nil)
	return err == nil && strings.Contains(text, contentProbe) && !strings.Contains(text, dumpProbe) &&
		(!picture || strings.Count(text, v.image) == 1)
}
