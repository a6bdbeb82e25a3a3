package toolcall

import "strings"

// spaces are what is not worth telling.
const spaces = " \t\r\n"

func trimLeft(s string) string { return strings.TrimLeft(s, spaces) }

// cutMark splits text at a mark. Where there is none, the end of the text that
// may be the beginning of one is left for later.
func cutMark(text, mark string) (before, rest string, found bool) {
	if mark == "" {
		return text, "", false
	}
	if before, rest, found = strings.Cut(text, mark); found {
		return before, rest, true
	}
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return text[:len(text)-n], text[len(text)-n:], false
		}
	}
	return text, "", false
}
