package constrain

// llguidance merges what must hold at once by trying each option of the one with
// each of the other: eight anyOf of three options in one allOf are 6561 schemas.

// enough is where counting ends.
const enough = 1 << 20

// combinations is how many schemas a node may become when what must hold at once
// in it is merged, at most. Options deep within count, because properties of one
// name are merged as well.
func (c *schemaCheck) combinations(node map[string]any) int {
	product := 1
	times := func(n int) { product = min(enough, product*max(1, n)) }
	rest := 0
	for keyword, value := range node {
		switch keyword {
		case "allOf":
			for _, part := range value.([]any) {
				times(c.deepOptions(part))
			}
		case "anyOf", "oneOf", "enum", "$ref":
			times(c.deepOptions(map[string]any{keyword: value}))
		case "properties", "patternProperties", "items", "prefixItems", "additionalItems", "additionalProperties":
			rest += c.deepOptions(map[string]any{keyword: value})
		}
	}
	times(rest)
	return product
}

// deepOptions counts the options of a schema and of all that it holds or names.
func (c *schemaCheck) deepOptions(value any) int {
	node, ok := value.(map[string]any)
	if !ok {
		return 0
	}
	total := 0
	for keyword, value := range node {
		switch keyword {
		case "enum":
			list, _ := value.([]any)
			total += len(list)
		case "anyOf", "oneOf":
			total += len(value.([]any)) + c.listOptions(value)
		case "allOf", "prefixItems":
			total += c.listOptions(value)
		case "items":
			total += c.deepOptions(value) + c.listOptions(value)
		case "additionalItems", "additionalProperties":
			total += c.deepOptions(value)
		case "properties", "patternProperties":
			for _, part := range value.(map[string]any) {
				total = min(enough, total+c.deepOptions(part))
			}
		case "$ref":
			total += c.optionsOf(value.(string))
		}
		total = min(enough, total)
	}
	return total
}

func (c *schemaCheck) listOptions(value any) int {
	list, _ := value.([]any)
	total := 0
	for _, part := range list {
		total = min(enough, total+c.deepOptions(part))
	}
	return total
}

// optionsOf is deepOptions of what a reference names; nothing more within itself.
func (c *schemaCheck) optionsOf(ref string) int {
	if n, ok := c.optionsByRef[ref]; ok {
		return n
	}
	c.optionsByRef[ref] = 0
	n := c.deepOptions(c.places[ref])
	c.optionsByRef[ref] = n
	return n
}
