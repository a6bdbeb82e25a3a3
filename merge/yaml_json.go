package merge

import (
	"bytes"
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
)

// YAMLToJSON gives the one document of a YAML text as JSON. It reads what strangers
// send: within the same bounds as [ParseYAML].
func YAMLToJSON(data []byte) ([]byte, error) {
	tops, err := parseYAML(data)
	if err != nil {
		return nil, err
	}
	if len(tops) > 1 {
		return nil, fault.New(fault.Invalid, "%d documents where there should be one", len(tops))
	}
	out, err := marshal(tops[0])
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "a value has no form in JSON")
	}
	return out, nil
}

// MarshalJSON implements json.Marshaler.
func (n *yamlNode) MarshalJSON() ([]byte, error) {
	switch {
	case n.isList:
		return marshal(append([]*yamlNode{}, n.list...))
	case !n.isMap:
		return marshal(n.scalar)
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, key := range n.keys {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := marshal(key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(n.fields[key])
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
