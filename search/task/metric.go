package task

import (
	"context"
	"maps"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// metric is a rule that scores replies. Each has a file of its own.
type metric interface {
	// check says why no reply could ever be right about a problem, and remembers
	// what it needs of it. It is called for each problem before the first score.
	check(p Problem) error
	// score judges a reply. An error means that nothing could be found out.
	score(ctx context.Context, p Problem, r Reply) (verdict, error)
}

// verdict is what a metric says of a reply.
type verdict struct {
	score     float64 // from 0 to 1
	extracted string  // what was compared with the answer, if it isn't the reply
	failure   string  // why there is nothing to say
}

// The names of the metrics.
const (
	metricAccuracy   = "accuracy"
	metricChoice     = "multiple_choice"
	metricChoiceNorm = "multiple_choice_norm"
	metricExact      = "exact_match"
	metricRouge1     = "rouge1"
	metricRouge2     = "rouge2"
	metricRougeL     = "rougeL"
	metricCharacters = "char_f1"
	metricRegex      = "regex"
	metricJudge      = "judge"
)

// metricKind is what task.yaml may say for a metric, and how the metric is made.
type metricKind struct {
	keys      []string                                                   // besides those that all have
	normalize []normalization                                            // if task.yaml doesn't say
	build     func(d description, read reading, j Judge) (metric, error) // never nil without an error
}

// metricKinds has each metric by its name.
func metricKinds() map[string]metricKind {
	reads := []string{"pattern", "normalize"}
	return map[string]metricKind{
		metricAccuracy:   {keys: []string{"extractor"}, build: newNumbers},
		metricChoice:     {build: newChoice},
		metricChoiceNorm: {build: newChoice},
		metricExact:      {keys: reads, normalize: []normalization{normalizeWidth, normalizeTrim}, build: newExact},
		metricRouge1:     {keys: reads, normalize: []normalization{normalizeEmoji, normalizeWidth}, build: newRouge},
		metricRouge2:     {keys: reads, normalize: []normalization{normalizeEmoji, normalizeWidth}, build: newRouge},
		metricRougeL:     {keys: reads, normalize: []normalization{normalizeEmoji, normalizeWidth}, build: newRouge},
		metricCharacters: {keys: reads, normalize: []normalization{normalizeWidth, normalizeCase, normalizePunctuation, normalizeSpace}, build: newCharacters},
		metricRegex:      {keys: []string{"normalize"}, build: newRegex},
		metricJudge:      {keys: []string{"judge", "pattern"}, build: newJudged},
	}
}

// Metrics lists the names of the metrics.
func Metrics() []string { return slices.Sorted(maps.Keys(metricKinds())) }

// buildMetric makes the metric that a description asks for.
func buildMetric(d description, j Judge) (metric, error) {
	kind, known := metricKinds()[d.Metric]
	if !known {
		return nil, fault.Bad("metric", "%q is not one of %v", d.Metric, Metrics())
	}
	for key, given := range map[string]bool{
		"extractor": d.Extractor != "", "pattern": d.Pattern != "", "normalize": d.Normalize != nil, "judge": d.Judge != nil,
	} {
		if given && !slices.Contains(kind.keys, key) {
			return nil, fault.Bad(key, "the metric %s takes none", d.Metric)
		}
	}
	read := reading{normalize: kind.normalize}
	if d.Normalize != nil {
		read.normalize = *d.Normalize
	}
	if err := read.compile(d.Pattern); err != nil {
		return nil, err
	}
	return kind.build(d, read, j)
}
