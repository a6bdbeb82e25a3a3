package merge

import (
	"maps"
	"strings"
)

const (
	templateFile = "chat_template.jinja"
	// processorTemplateFile is where older models that see have theirs.
	processorTemplateFile = "chat_template.json"
	templateKey           = "chat_template" // of tokenizer_config.json
)

// replaceTemplate puts another chat template into the lender's files, where these
// have theirs: in a file of its own, or in tokenizer_config.json. Those for other
// purposes go: they are of another format.
func replaceTemplate(files map[string][]byte, text string) error {
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasPrefix(name, templatesFolder+"/") })
	_, apart := files[templateFile]
	if _, older := files[processorTemplateFile]; older {
		delete(files, processorTemplateFile)
		apart = true
	}
	data, ok := files[tokenizerConfigFile]
	if apart || !ok {
		files[templateFile] = []byte(text)
	}
	if !ok {
		return nil
	}
	config, err := members(tokenizerConfigFile, data)
	if err != nil {
		return err
	}
	if _, both := config[templateKey]; apart && !both {
		return nil
	}
	if delete(config, templateKey); !apart {
		if config[templateKey], err = marshal(text); err != nil {
			return err
		}
	}
	files[tokenizerConfigFile], err = indented(config)
	return err
}
