package merge

import (
	"strconv"
	"strings"
)

// get gives a field of a map, nil if it is not there or null.
func (n *yamlNode) get(key string) *yamlNode {
	if n == nil {
		return nil
	}
	if f := n.fields[key]; f != nil && (f.isMap || f.isList || f.scalar != nil) {
		return f
	}
	return nil
}

// plain tells whether the value is neither map nor list.
func (n *yamlNode) plain() bool { return !n.isMap && !n.isList }

// text reads a string.
func (n *yamlNode) text() (string, error) {
	if s, ok := n.scalar.(string); ok && n.plain() {
		return s, nil
	}
	return "", n.wrong("this must be text")
}

// number reads a number. Python's YAML takes 1e-5 for text, and people have
// learnt to live with it: text that is a number will do.
func (n *yamlNode) number() (float64, error) {
	if n.plain() {
		switch v := n.scalar.(type) {
		case int64:
			return float64(v), nil
		case uint64:
			return float64(v), nil
		case float64:
			return v, nil
		case string:
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				return f, nil
			}
		}
	}
	return 0, n.wrong("this must be a number")
}

// whole reads an integer that is not negative.
func (n *yamlNode) whole() (uint64, error) {
	if n.plain() {
		switch v := n.scalar.(type) {
		case int64:
			if v >= 0 {
				return uint64(v), nil
			}
		case uint64:
			return v, nil
		}
	}
	return 0, n.wrong("this must be an integer that is not negative")
}

// truthNumber is truth as settings have it.
func (n *yamlNode) truthNumber() (float64, error) {
	yes, err := n.truth()
	return truth(yes), err
}

// truth reads yes or no, in all the ways that mergekit does.
func (n *yamlNode) truth() (bool, error) {
	if n.plain() {
		switch v := n.scalar.(type) {
		case bool:
			return v, nil
		case string:
			switch strings.ToLower(v) {
			case "true", "yes", "on", "y", "t":
				return true, nil
			case "false", "no", "off", "n", "f":
				return false, nil
			}
		case int64:
			if v == 0 || v == 1 {
				return v == 1, nil
			}
		case uint64:
			if v <= 1 {
				return v == 1, nil
			}
		}
	}
	return false, n.wrong("this must be true or false")
}
