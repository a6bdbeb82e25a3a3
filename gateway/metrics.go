package gateway

import (
	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// getMetrics gives the counts of the server.
//
//	@Summary		Metrics
//	@Description	Counters and histograms in Prometheus' text format, named as vLLM names them where it has them, with the prefix mergeway: in place of vllm:.
//	@Tags			server
//	@Security		BearerAuth
//	@Produce		plain
//	@Success		200	{string}	string		"text format"
//	@Failure		404	{object}	ErrorReply	"metrics are switched off"
//	@Router			/metrics [get]
func (g *Gateway) getMetrics(c *gin.Context) error {
	if g.metrics == nil {
		return fault.New(noRoute, "metrics are switched off")
	}
	g.metrics.ServeHTTP(c.Writer, c.Request)
	return nil
}
