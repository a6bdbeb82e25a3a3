package picture

import "encoding/json"

type extent struct{ height, width int }

// readSizes reads size and crop_size, which are numbers, lists or objects.
func (c *config) readSizes(raw rawConfig) error {
	c.shortest, c.crop = 224, extent{224, 224}
	if given(raw.Size) {
		shortest, size, err := parseSize("size", raw.Size)
		if err != nil {
			return err
		}
		if isNumber(raw.Size) && orDefault(raw.Square, false) {
			shortest, size = 0, extent{shortest, shortest}
		}
		c.shortest, c.size = shortest, size
	}
	if given(raw.CropSize) {
		number, crop, err := parseSize("crop_size", raw.CropSize)
		if err != nil {
			return err
		}
		if isNumber(raw.CropSize) {
			crop = extent{number, number}
		}
		if crop == (extent{}) {
			return unsupported("crop_size", string(raw.CropSize))
		}
		c.crop = crop
	}
	return nil
}

// parseSize reads a number or {"shortest_edge"} into shortest, [height, width] or
// an object with these keys into size.
func parseSize(key string, data json.RawMessage) (shortest int, size extent, err error) {
	var list []int
	var object map[string]*int
	switch {
	case isNumber(data):
		if json.Unmarshal(data, &shortest) != nil {
			return 0, extent{}, unsupported(key, string(data))
		}
	case json.Unmarshal(data, &list) == nil && len(list) == 2:
		size = extent{list[0], list[1]}
	case json.Unmarshal(data, &object) == nil:
		for k, v := range object {
			switch {
			case v == nil:
			case k == "shortest_edge":
				shortest = *v
			case k == "height":
				size.height = *v
			case k == "width":
				size.width = *v
			default:
				return 0, extent{}, unsupported(key+"."+k, *v)
			}
		}
		if shortest != 0 && size != (extent{}) {
			return 0, extent{}, unsupported(key, string(data))
		}
	}
	usable := func(n int) bool { return n >= 1 && n <= maxTileSide }
	if !usable(shortest) && !(shortest == 0 && usable(size.height) && usable(size.width)) {
		return 0, extent{}, unsupported(key, string(data))
	}
	return shortest, size, nil
}

func isNumber(data json.RawMessage) bool {
	return data[0] == '-' || data[0] >= '0' && data[0] <= '9'
}
