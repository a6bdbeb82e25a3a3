package merge

import (
	"strings"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// processorFiles say how pictures are prepared; they come from the lender.
var processorFiles = []string{"preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json"}

// sight is the vision part that an export takes over, bit for bit.
type sight struct {
	folder *checkpoint.Folder // of its lender
	config *checkpoint.VisionConfig
	infos  []checkpoint.TensorInfo
}

// openSight opens the vision part of a recipe's model; nil if it has none.
func openSight(r Recipe, o ExportOptions) (*sight, error) {
	if r.Sees() == "" {
		return nil, nil
	}
	folder, err := checkpoint.Open(o.Vision)
	if err != nil {
		return nil, err
	}
	s := &sight{folder: folder, config: folder.Vision()}
	if s.config == nil {
		s.close()
		return nil, fault.New(fault.Unfit, "%q has no vision part", r.Vision)
	}
	s.infos = checkpoint.VisionTensors(folder.Tensors())
	return s, nil
}

func (s *sight) close() {
	if s != nil {
		_ = s.folder.Close()
	}
}

// beside lists the tensors of the model whose language part has these, as files name
// them.
func (s *sight) beside(language []checkpoint.TensorInfo) []checkpoint.TensorInfo {
	if s == nil {
		return language
	}
	all := make([]checkpoint.TensorInfo, 0, len(language)+len(s.infos))
	for _, info := range language {
		info.Name = checkpoint.StoredName(info.Name)
		all = append(all, info)
	}
	return append(all, s.infos...)
}

// source gives the tensors by the names that beside lists; open does of those of the
// language part, by their own.
func (s *sight) source(open func(wanted []string) tensorSource) func(wanted []string) tensorSource {
	if s == nil {
		return open
	}
	return func(wanted []string) tensorSource {
		var names []string
		for _, name := range wanted {
			if bare, ok := strings.CutPrefix(name, checkpoint.LanguagePrefix); ok {
				names = append(names, bare)
			}
		}
		both := seeingTensors{sight: s}
		if len(names) > 0 {
			both.language = open(names)
		}
		return both
	}
}

// seeingTensors are those of a language model and of what sees beside it.
type seeingTensors struct {
	language tensorSource // nil if none of its tensors are wanted
	sight    *sight
}

func (s seeingTensors) bytesOf(name string) ([]byte, error) {
	if bare, ok := strings.CutPrefix(name, checkpoint.LanguagePrefix); ok {
		return s.language.bytesOf(bare)
	}
	_, data, err := s.sight.folder.Tensor(name)
	return data, err
}

func (s seeingTensors) close() {
	if s.language != nil {
		s.language.close()
	}
}

// configFile is the config.json of the exported model.
func (s *sight) configFile(o ExportOptions, r Recipe, c checkpoint.Config, dtype dtypes.DType) ([]byte, error) {
	c.DType = dtype
	var data []byte
	switch parent, err := checkpoint.ReadVision(o.Parent); {
	case err != nil:
		return nil, err
	case s == nil && parent == nil:
		return exportedConfig(o, r, c, dtype)
	case s == nil: // the parent's speaks of a vision part
		if data, err = c.JSON(); err != nil {
			return nil, err
		}
	default:
		if data, err = s.config.JSON(c); err != nil {
			return nil, err
		}
	}
	return data, sameBlocks(data, c)
}
