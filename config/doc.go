// Package config reads settings from a command's flags, the environment and a
// YAML file, and writes them as a file.
//
// Its one idea: flags are the description of all settings. The name, help, type
// and default that a flag has anyway are what the file's key, the environment's
// variable, the help and the example file are made of: one word means the same in
// all of them, --max-stops, MERGEWAY_MAX_STOPS and max-stops, and a setting can't
// be forgotten in one of them. A flag wins over the environment, the environment
// over the file, the file over the default.
package config
