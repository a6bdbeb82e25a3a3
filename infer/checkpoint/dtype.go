package checkpoint

import "github.com/gomlx/compute/dtypes"

// safetensorsSizes gives the bytes an element takes, by the format's names.
var safetensorsSizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8,
}

// safetensorsDTypes are the dtypes that weights may have. Tensors of others can
// lie in a file (buffers, old position ids); they are InvalidDType and can't be
// loaded as weights.
var safetensorsDTypes = map[string]dtypes.DType{
	"BF16": dtypes.BFloat16, "F16": dtypes.Float16, "F32": dtypes.Float32,
}

func safetensorsName(d dtypes.DType) (string, bool) {
	for name, known := range safetensorsDTypes {
		if known == d {
			return name, true
		}
	}
	return "", false
}
