package merge

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"strconv"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

const tokenizerConfigFile = "tokenizer_config.json"

// wordFiles are taken over as they are: what turns text into tokens.
var wordFiles = []string{
	tokenizer.File, tokenizerConfigFile, "special_tokens_map.json", "added_tokens.json",
	"tokenizer.model", "vocab.json", "merges.txt", templateFile, processorTemplateFile,
}

// staleFiles are those of them that say of an older kind of tokenizer what
// tokenizer.json says, and nothing of the tokens of a merged vocabulary.
var staleFiles = []string{"added_tokens.json", "tokenizer.model", "vocab.json", "merges.txt"}

// templatesFolder holds chat templates beside the usual one, for tools for instance.
const templatesFolder = "additional_chat_templates"

// Bounds on what is taken over.
const (
	maxLentFile  = 256 << 20 // bytes of a file
	maxTemplates = 32        // files in templatesFolder
)

// lentFiles reads what is taken over from the parent and, of the words, from their
// lender, by its path in the folder.
func lentFiles(v *Vocabulary, o ExportOptions) (map[string][]byte, error) {
	files, err := readFiles(o.Parent, checkpoint.GenerationConfigFile)
	if err != nil {
		return nil, err
	}
	if o.Vision != "" {
		processor, err := readFiles(o.Vision, processorFiles...)
		if err != nil {
			return nil, err
		}
		maps.Copy(files, processor)
	}
	if data, ok := files[checkpoint.GenerationConfigFile]; ok && o.lends() {
		if files[checkpoint.GenerationConfigFile], err = withTokenIDsOf(o.Lender, checkpoint.GenerationConfigFile, data); err != nil {
			return nil, err
		}
	}
	if o.NoTokenizer {
		return files, nil
	}
	lender := o.lender()
	templates, err := filepath.Glob(filepath.Join(lender, templatesFolder, "*.jinja"))
	if err != nil || len(templates) > maxTemplates {
		return nil, fault.New(fault.Damaged, "%s holds more than %d templates", templatesFolder, maxTemplates)
	}
	names := append([]string{}, wordFiles...)
	for _, path := range templates {
		names = append(names, templatesFolder+"/"+filepath.Base(path))
	}
	words, err := readFiles(lender, names...)
	if err != nil {
		return nil, err
	}
	if v != nil && v.Changed {
		if err := v.rewrite(words); err != nil {
			return nil, err
		}
	}
	if o.ChatTemplate != "" {
		if err := replaceTemplate(words, o.ChatTemplate); err != nil {
			return nil, err
		}
	}
	maps.Copy(files, words)
	return files, nil
}

// lender is the folder of the model that lends the words.
func (o ExportOptions) lender() string {
	if o.lends() {
		return o.Lender
	}
	return o.Parent
}

// lends tells whether it is another one than the parent.
func (o ExportOptions) lends() bool { return o.Lender != "" && o.Lender != o.Parent }

// readFiles reads those of a folder's files that are there, by their paths in it.
func readFiles(dir string, names ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range names {
		folder, file := filepath.Split(filepath.FromSlash(name))
		data, err := checkpoint.ReadSmall(filepath.Join(dir, folder), file, maxLentFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

// rewrite puts the merged tokens into the lender's files.
func (v *Vocabulary) rewrite(files map[string][]byte) (err error) {
	for _, name := range staleFiles {
		delete(files, name)
	}
	if files[tokenizer.File], err = v.Tokens.JSON(); err != nil {
		return err
	}
	data, ok := files[tokenizerConfigFile]
	if !ok {
		return nil
	}
	config, err := members(tokenizerConfigFile, data)
	if err != nil {
		return err
	}
	if _, lists := config["added_tokens_decoder"]; !lists {
		return nil
	}
	type addedToken struct { // as this file has it: by id
		Content    string `json:"content"`
		LStrip     bool   `json:"lstrip"`
		Normalized bool   `json:"normalized"`
		RStrip     bool   `json:"rstrip"`
		SingleWord bool   `json:"single_word"`
		Special    bool   `json:"special"`
	}
	added := map[string]addedToken{}
	for _, a := range v.Tokens.Added() {
		added[strconv.Itoa(int(a.ID))] = addedToken{a.Content, a.LStrip, a.Normalized, a.RStrip, a.SingleWord, a.Special}
	}
	if config["added_tokens_decoder"], err = marshal(added); err != nil {
		return err
	}
	files[tokenizerConfigFile], err = indented(config)
	return err
}

// tokenIDs are the keys that name tokens by id in config.json and
// generation_config.json.
var tokenIDs = []string{"bos_token_id", "eos_token_id", "pad_token_id"}

// withTokenIDsOf gives a JSON file with the token ids that the file of the same
// name has in another folder; those that it hasn't go.
func withTokenIDsOf(dir, name string, data []byte) ([]byte, error) {
	config, err := members(name, data)
	if err != nil {
		return nil, err
	}
	if err := takeTokenIDs(config, dir, name); err != nil {
		return nil, err
	}
	return indented(config)
}

// takeTokenIDs is withTokenIDsOf for what has been read.
func takeTokenIDs(config map[string]json.RawMessage, dir, name string) error {
	files, err := readFiles(dir, name)
	if err != nil {
		return err
	}
	theirs := map[string]json.RawMessage{}
	if data, ok := files[name]; ok {
		if theirs, err = members(name, data); err != nil {
			return err
		}
	}
	for _, key := range tokenIDs {
		delete(config, key)
		if id, ok := theirs[key]; ok {
			config[key] = id
		}
	}
	return nil
}

// members reads a JSON object.
func members(name string, data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, fault.Wrap(err, fault.Damaged, "%s does not parse", name)
	}
	return fields, nil
}

// indented writes a JSON object as people read it.
func indented(fields map[string]json.RawMessage) ([]byte, error) {
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}
