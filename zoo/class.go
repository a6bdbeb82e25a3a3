package zoo

import (
	"path/filepath"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// class is a company at school: what its members' trainings share.
type class struct {
	company
	school *school
	words  vocabulary
	layout layout
}

// newClass makes a company's tokenizer, and prepares to show it pictures.
func newClass(s *school, c company) (*class, error) {
	words := c.vocabulary()
	c.config.VocabSize = len(words.tokens)
	tokenizerJSON, err := words.tokenizerJSON()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "render the tokenizer")
	}
	tok, err := tokenizer.FromBytes(tokenizerJSON)
	if err != nil {
		return nil, err
	}
	n := &class{company: c, school: s, words: words}
	n.layout.encode = func(text string) []int32 { return tok.Encode(text, false) }
	for _, m := range c.members {
		if m.tiles == 0 {
			continue
		}
		v := sightConfig(words)
		dir := filepath.Join(s.options.ModelsDir, m.Name)
		if err := writeProcessor(dir, v); err != nil {
			return nil, err
		}
		if n.layout.pictures, err = picture.OpenProcessor(dir, &v); err != nil {
			return nil, err
		}
		n.layout.image = v.ImageTokenID
	}
	return n, nil
}

// rowOf is the length of the rows from which a member learns.
func (c company) rowOf(m member) int {
	if m.tiles > 0 {
		return m.length
	}
	return c.length
}

// lesson is what a member is taught.
func (c *class) lesson(m member) lesson {
	l := lesson{config: c.config, pace: m.pace}
	if m.tiles > 0 {
		l.config.VocabSize++ // the token that stands for pictures
		l.sight = &sight{config: sightConfig(c.words), most: m.tiles}
	}
	return l
}

// write writes a member's folder.
func (c *class) write(m member, weights []*tensors.Tensor) error {
	l := c.lesson(m)
	f := modelFolder{dir: filepath.Join(c.school.options.ModelsDir, m.Name), config: l.config, words: c.words}
	if l.sight != nil {
		f.vision = &l.sight.config
		f.words = f.words.with(tokenImage)
	}
	return f.write(weights)
}

// begin gives the weights from which one who sees is trained: those of a decoder that
// sees nothing, in which the token that stands for pictures is as unlikely as the
// unknown one, and a part that sees that has seen nothing.
func (l lesson) begin(decoder []*tensors.Tensor, seed uint64) []*tensors.Tensor {
	params := l.params()
	var out []*tensors.Tensor
	for i, w := range decoder {
		values := tensors.MustCopyFlatData[float32](w)
		if params[i].ByToken() {
			values = append(values, values[:params[i].Shape[1]]...)
		}
		out = append(out, tensors.FromFlatDataAndDimensions(values, params[i].Shape...))
	}
	return append(out, l.sight.initial(l.config, seed)...)
}

// sightConfig is the part that sees: CLIP's tower, small, in LLaVA-NeXT's form.
func sightConfig(words vocabulary) checkpoint.VisionConfig {
	return checkpoint.VisionConfig{
		ModelType: "llava_next", Architectures: []string{"LlavaNextForConditionalGeneration"},
		HiddenSize: 96, IntermediateSize: 256, NumHiddenLayers: 2, NumAttentionHeads: 4,
		ImageSize: 24, PatchSize: 8, LayerNormEps: 1e-5, HiddenAct: "quick_gelu",
		ProjectionAct: "gelu", ProjectorBias: true, FeatureLayers: []int{-1},
		GridPinpoints: [][2]int{{24, 24}, {24, 48}, {48, 24}},
		ImageTokenID:  int32(len(words.tokens)),
	}
}
