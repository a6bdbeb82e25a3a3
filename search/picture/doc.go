// Package picture draws a search, while it runs and after, as SVG: its trials by
// fitness, the numbers that its genomes stood for, and the path of a data-flow
// recipe. Start at [Draw].
package picture
