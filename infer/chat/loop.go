package chat

import (
	"fmt"

	structures "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	jinja "github.com/nikolalohinski/gonja/v2/tokens"
)

// maxLoopTurns is how often the bodies of loops may run in one rendering, all
// together: loops within loops need no large lists to go on for years.
const maxLoopTurns = 1 << 18

// loopTurns counts those of one rendering.
type loopTurns struct{ all int }

const loopTurnsName = "mergeway_loop_turns"

// parseFor parses a loop, and puts a count at the beginning of its body.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	loop, err := parseAs[*structures.ForControlStructure]("for", p, args)
	if err != nil {
		return nil, err
	}
	body := loop.BodyWrapper
	turn := &nodes.ControlStructureBlock{Name: "for", ControlStructure: &loopTurn{at: body.Position()}}
	body.Nodes = append([]nodes.Node{turn}, body.Nodes...)
	return loop, nil
}

// loopTurn counts one turn of a loop.
type loopTurn struct{ at *jinja.Token }

// Position implements nodes.Node.
func (t *loopTurn) Position() *jinja.Token { return t.at }

// String implements nodes.Node.
func (t *loopTurn) String() string { return "for" }

// Execute implements exec.ControlStructure.
func (t *loopTurn) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	value, _ := r.Environment.Context.Get(loopTurnsName)
	turns, ok := value.(*loopTurns)
	if !ok {
		return fmt.Errorf("turns of loops are not counted")
	}
	if turns.all++; turns.all > maxLoopTurns {
		return errTooLong
	}
	return nil
}
