// Package checkpoint reads and writes models the way Hugging Face stores them:
// a folder with config.json and safetensors files. [Open] maps the weights into
// memory and checks every length and offset before anything is believed; a
// file that lies is [fault.Damaged], a model this program cannot run is
// [fault.Invalid], and both name the file and the key. Nothing is ever
// unpickled, and nothing outside the folder is read.
//
// A model that sees pictures is read as a plain decoder, under a plain decoder's names,
// and a [VisionConfig] with tensors of its own beside it.
//
// Start at [Folder]. The safetensors format is documented at [Safetensors].
package checkpoint
