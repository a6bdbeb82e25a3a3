package gateway

import (
	"context"
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// shelf looks up what a request takes from stored responses.
type shelf struct {
	gateway *Gateway
	owner   string
	taken   []ResponseItem            // the conversation that the request goes on from
	read    map[string][]ResponseItem // those of responses whose items it refers to, by id
}

// previous gives the conversation up to a stored response, its output included.
func (s *shelf) previous(ctx context.Context, id string) ([]ResponseItem, error) {
	kept, err := s.gateway.storedResponse(ctx, id, s.owner)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, &fault.Error{Code: previousNotFound, Param: "previous_response_id", Message: err.Error()}
	}
	s.taken = kept.conversation()
	return s.taken, err
}

// item gives the item that a reference at some place of the request means. Its
// id says which response it came with.
func (s *shelf) item(ctx context.Context, id, at string) (ResponseItem, error) {
	if item, found := itemIn(s.taken, id); found {
		return item, nil
	}
	items, err := s.itemsWith(ctx, id, at)
	if item, found := itemIn(items, id); found {
		return item, nil
	}
	if err == nil || fault.CodeOf(err) == fault.NotFound {
		err = &fault.Error{Code: fault.NotFound, Param: at + ".id", Message: fmt.Sprintf("there is no stored item %q", clip(id, s.gateway.limits.NameBytes))}
	}
	return ResponseItem{}, err
}

// itemsWith gives the conversation in which an item first came, if there can be
// one, and reads it once.
func (s *shelf) itemsWith(ctx context.Context, id, at string) ([]ResponseItem, error) {
	response, ok := responseOfItem(id)
	if items, known := s.read[response]; known || !ok {
		return items, nil
	}
	if len(s.read) == s.gateway.limits.References {
		return nil, fault.Bad(at, "input refers to items of more than %d stored responses", s.gateway.limits.References)
	}
	kept, err := s.gateway.storedResponse(ctx, response, s.owner)
	if err != nil {
		return nil, err
	}
	if s.read == nil {
		s.read = map[string][]ResponseItem{}
	}
	s.read[response] = kept.conversation()
	return s.read[response], nil
}

func itemIn(items []ResponseItem, id string) (ResponseItem, bool) {
	i := slices.IndexFunc(items, func(item ResponseItem) bool { return item.ID == id })
	if i < 0 {
		return ResponseItem{}, false
	}
	return items[i], true
}
