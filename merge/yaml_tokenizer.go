package merge

import (
	"maps"
	"slices"
)

// readTokenizer reads the tokens of the merged model: tokenizer_source, or the
// block that says more.
func (d *yamlReader) readTokenizer() error {
	n, block := d.top.get("tokenizer_source"), d.top.get("tokenizer")
	switch {
	case n != nil && block != nil:
		return block.wrong("give either tokenizer or tokenizer_source")
	case n == nil && block == nil:
		return nil
	}
	t := &Tokenizer{Source: TokensOfAll}
	if block != nil {
		if err := block.known("source", "tokens", "pad_to_multiple_of"); err != nil {
			return err
		}
		n = block.get("source")
		d.places["tokenizer"] = block
	}
	if n != nil {
		d.places["tokenizer.source"] = n
		var err error
		if t.Source, err = n.text(); err != nil {
			return err
		}
	}
	if p := block.get("pad_to_multiple_of"); p != nil {
		d.places["tokenizer.pad_to_multiple_of"] = p
		multiple, err := p.whole()
		if err != nil {
			return err
		}
		if multiple == 0 || multiple > MaxPadding {
			return p.wrong("this must be a number from 1 to %d", MaxPadding)
		}
		t.PadToMultipleOf = int(multiple)
	}
	if tokens := block.get("tokens"); tokens != nil {
		if !tokens.isMap {
			return tokens.wrong("this must be a map from tokens to what is said of them")
		}
		d.places["tokenizer.tokens"] = tokens
		t.Tokens = make(map[string]TokenRow, len(tokens.keys))
		for _, token := range tokens.keys {
			row, err := tokens.fields[token].tokenRow()
			if err != nil {
				return err
			}
			t.Tokens[token] = row
		}
	}
	d.doc.Recipe.Tokenizer = t
	return nil
}

// tokenRow reads what is said of a token.
func (n *yamlNode) tokenRow() (row TokenRow, err error) {
	if err := n.known("source", "force"); err != nil {
		return row, err
	}
	if f := n.get("force"); f != nil {
		if row.Force, err = f.truth(); err != nil {
			return row, err
		}
	}
	s := n.get("source")
	if s == nil {
		return row, nil
	}
	row.Source = &RowSource{}
	if !s.isMap {
		row.Source.Model, err = s.text()
		return row, err
	}
	if err := s.known("kind", "model", "token", "token_id"); err != nil {
		return row, err
	}
	kind := s.get("kind")
	if kind == nil {
		return row, s.wrong("the kind is missing: it is %s or %s", RowZero, RowOfToken)
	}
	for _, member := range []struct {
		key  string
		into *string
	}{{"kind", &row.Source.Kind}, {"model", &row.Source.Model}, {"token", &row.Source.Token}} {
		if m := s.get(member.key); m != nil {
			if *member.into, err = m.text(); err != nil {
				return row, err
			}
		}
	}
	if row.Source.Kind != RowZero && row.Source.Kind != RowOfToken {
		return row, kind.wrong("unknown kind of row %q: it is %s or %s", row.Source.Kind, RowZero, RowOfToken)
	}
	if id := s.get("token_id"); id != nil {
		whole, err := id.whole()
		if err != nil {
			return row, err
		}
		at := int(min(whole, maxTokenID)) // too large for any token, Validate says
		row.Source.TokenID = &at
	}
	return row, nil
}

// tokenizer writes the tokens of the merged model.
func (w *yamlWriter) tokenizer(t *Tokenizer) {
	if t == nil {
		return
	}
	if t.Tokens == nil && t.PadToMultipleOf == 0 {
		w.line(0, "tokenizer_source: %s", yamlText(t.Source))
		return
	}
	w.line(0, "tokenizer:")
	w.line(1, "source: %s", yamlText(t.Source))
	if t.PadToMultipleOf != 0 {
		w.line(1, "pad_to_multiple_of: %d", t.PadToMultipleOf)
	}
	if t.Tokens == nil {
		return
	}
	w.line(1, "tokens:")
	for _, token := range slices.Sorted(maps.Keys(t.Tokens)) {
		row := t.Tokens[token]
		if row == (TokenRow{}) {
			w.line(2, "%s: {}", yamlText(token))
			continue
		}
		w.line(2, "%s:", yamlText(token))
		switch s := row.Source; {
		case s == nil:
		case s.Kind == "":
			w.line(3, "source: %s", yamlText(s.Model))
		default:
			w.line(3, "source:")
			w.line(4, "kind: %s", s.Kind)
			if s.Model != "" {
				w.line(4, "model: %s", yamlText(s.Model))
			}
			if s.TokenID != nil {
				w.line(4, "token_id: %d", *s.TokenID)
			} else if s.Token != "" {
				w.line(4, "token: %s", yamlText(s.Token))
			}
		}
		if row.Force {
			w.line(3, "force: true")
		}
	}
}
