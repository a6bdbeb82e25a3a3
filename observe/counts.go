package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mergeway/mergeway/infer"
)

// Engine is what Watch reads of an infer.Engine.
type Engine interface {
	Stats() infer.Stats
}

// Catalog is what Watch reads of a catalog.Catalog.
type Catalog interface {
	Budget() (total, used int64)
	Resident() (models int, bytes int64)
}

// Watch adds the counts of an engine and a catalog, which are read when somebody
// scrapes. It is called once.
func (m *Metrics) Watch(engine Engine, catalog Catalog) {
	m.registry.MustRegister(&counts{engine: engine, catalog: catalog})
}

// count describes one number that is read at a scrape.
type count struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newCount(name, help string, kind prometheus.ValueType, labels ...string) count {
	return count{prometheus.NewDesc(fullName(name), help, labels, nil), kind}
}

var (
	running       = newCount("num_requests_running", "Sequences that have a slot.", prometheus.GaugeValue, "class")
	waiting       = newCount("num_requests_waiting", "Sequences that wait for a slot.", prometheus.GaugeValue, "class")
	preemptions   = newCount("num_preemptions_total", "Sequences that had to wait again for want of memory.", prometheus.CounterValue)
	prefixHits    = newCount("prefix_cache_hits_total", "Prompt tokens that a saved prefix held.", prometheus.CounterValue)
	prefixBytes   = newCount("prefix_cache_bytes", "Memory of saved prefixes.", prometheus.GaugeValue)
	pictureSights = newCount("pictures_seen_total", "Pictures that went through a vision part.", prometheus.CounterValue)
	tileSights    = newCount("picture_tiles_seen_total", "Tiles of pictures that did.", prometheus.CounterValue)
	pictureHits   = newCount("picture_cache_hits_total", "Pictures that prompts needed and that had been seen already.", prometheus.CounterValue)
	pictureBytes  = newCount("picture_cache_bytes", "Memory of what vision parts made of pictures.", prometheus.GaugeValue)
	compilations  = newCount("compilations_total", "Programs compiled for the device.", prometheus.CounterValue)
	resident      = newCount("models_resident", "Models whose weights are on the device.", prometheus.GaugeValue)
	modelBytes    = newCount("model_bytes", "Memory of their weights.", prometheus.GaugeValue)
	memoryTotal   = newCount("memory_budget_bytes", "Memory that weights, caches and prefixes may take together.", prometheus.GaugeValue)
	memoryUsed    = newCount("memory_used_bytes", "Memory that they take, a search's candidates included.", prometheus.GaugeValue)
	cacheUsage    = newCount("kv_cache_usage_perc", "Share of the memory not taken by named models' weights that is in use, from 0 to 1.", prometheus.GaugeValue)
)

// counts is the collector of what is read at a scrape.
type counts struct {
	engine  Engine
	catalog Catalog
}

// Describe implements prometheus.Collector.
func (c *counts) Describe(out chan<- *prometheus.Desc) {
	for _, n := range []count{running, waiting, preemptions, prefixHits, prefixBytes, pictureSights, tileSights, pictureHits, pictureBytes, compilations, resident, modelBytes, memoryTotal, memoryUsed, cacheUsage} {
		out <- n.desc
	}
}

// Collect implements prometheus.Collector.
func (c *counts) Collect(out chan<- prometheus.Metric) {
	tell := func(n count, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(n.desc, n.kind, value, labels...)
	}
	s := c.engine.Stats()
	tell(running, float64(s.Running), class(false))
	tell(running, float64(s.SearchRunning), class(true))
	tell(waiting, float64(s.Waiting), class(false))
	tell(waiting, float64(s.SearchWaiting), class(true))
	tell(preemptions, float64(s.Preemptions))
	tell(prefixHits, float64(s.PrefixTokens))
	tell(prefixBytes, float64(s.PrefixBytes))
	tell(pictureSights, float64(s.PicturesSeen))
	tell(tileSights, float64(s.TilesSeen))
	tell(pictureHits, float64(s.PictureHits))
	tell(pictureBytes, float64(s.PictureBytes))
	tell(compilations, float64(s.Compilations))
	models, weights := c.catalog.Resident()
	tell(resident, float64(models))
	tell(modelBytes, float64(weights))
	total, used := c.catalog.Budget()
	tell(memoryTotal, float64(total))
	tell(memoryUsed, float64(used))
	if free := total - weights; free > 0 {
		tell(cacheUsage, float64(max(0, used-weights))/float64(free))
	} else {
		tell(cacheUsage, 1)
	}
}
