package gateway

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// routes is the table of contents of the API.
func (g *Gateway) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode) // Gin's debug mode prints to stdout
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false // a redirected POST loses its body
	r.ContextWithFallback = true    // a gin.Context is its request's context
	_ = r.SetTrustedProxies(nil)    // who connects is who asks

	r.Use(identify, g.traceRequests, g.logRequests, g.recoverPanics, g.boundTransfer, g.screen)
	r.NoRoute(g.handle(func(c *gin.Context) error {
		return fault.New(noRoute, "there is nothing at %s %s; GET /docs lists what there is", c.Request.Method, clip(c.Request.URL.Path, 200))
	}))
	r.NoMethod(g.handle(func(c *gin.Context) error {
		return fault.New(noMethod, "%s is not possible at %s: allowed is %s", c.Request.Method, c.Request.URL.Path, c.Writer.Header().Get("Allow"))
	}))

	pages := r.Group("/", within(g.limits.RequestTimeout))
	pages.GET("/", g.handle(g.getDashboard))
	pages.GET("/docs", g.handle(g.getDocs))
	pages.GET("/assets/:file", g.handle(g.getAsset))
	pages.GET("/openapi.json", g.handle(g.getOpenAPI))
	pages.GET("/healthz", g.handle(g.getHealth))
	pages.GET("/readyz", g.handle(g.getReady))

	pages.GET("/metrics", g.authorize, g.handle(g.getMetrics)) // they tell which models are asked for

	api := r.Group("/v1", g.authorize)

	// At the root as well: that is where vLLM and llama.cpp have them.
	encoding := g.atMost(g.limits.InFlight, "tokenizer requests")
	for _, at := range []string{"/", "/v1"} {
		words := r.Group(at, g.authorize, encoding, within(g.limits.RequestTimeout))
		words.POST("/tokenize", g.withAlbum, g.handle(g.tokenize))
		words.POST("/detokenize", g.handle(g.detokenize))
		words.GET("/tokenizer_info", g.handle(g.getTokenizerInfo))
		words.POST("/apply-template", g.withAlbum, g.handle(g.applyTemplate))
	}
	api.POST("/messages/count_tokens", encoding, within(g.limits.RequestTimeout), g.withAlbum, g.handle(g.countMessageTokens))

	generate := api.Group("/", g.refuseWhileDraining, g.atMost(g.limits.InFlight, "generations"), within(g.limits.GenerateTime))
	generate.POST("/chat/completions", g.withAlbum, g.handle(g.createChat))
	generate.POST("/completions", g.handle(g.createCompletion))
	generate.POST("/embeddings", g.handle(g.createEmbeddings))
	generate.POST("/messages", g.withAlbum, g.handle(g.createMessage))
	generate.POST("/responses", g.withAlbum, g.handle(g.createResponse))
	generate.POST("/models/*model", g.handle(g.actOnModel)) // making one may take as long as a reply
	generate.POST("/searches/:id/promote", g.handle(g.promoteTrial))

	quick := api.Group("/", within(g.limits.RequestTimeout))
	quick.GET("/models", g.handle(g.listModels))
	quick.GET("/models/*model", g.handle(g.getModelOrCard)) // ids may hold slashes
	quick.DELETE("/models/*model", g.handle(g.deleteModel))

	quick.GET("/responses/:id", g.handle(g.getResponse))
	quick.DELETE("/responses/:id", g.handle(g.deleteResponse))
	quick.GET("/responses/:id/input_items", g.handle(g.listInputItems))

	quick.POST("/recipes", g.handle(g.createRecipe))
	quick.GET("/recipes", g.handle(g.listRecipes))
	quick.GET("/recipes/*id", g.handle(g.getRecipe)) // names may hold slashes
	quick.DELETE("/recipes/*id", g.handle(g.deleteRecipe))

	quick.POST("/recipes/*id", g.refuseWhileDraining, g.handle(g.createExport))
	quick.GET("/exports", g.handle(g.listExports))
	quick.GET("/exports/:id", g.handle(g.getExport))
	quick.POST("/exports/:id/cancel", g.handle(g.cancelExport))

	quick.GET("/aliases", g.handle(g.listAliases))
	quick.GET("/aliases/*name", g.handle(g.getAlias))
	quick.PUT("/aliases/*name", g.handle(g.putAlias))
	quick.POST("/aliases/*name", g.handle(g.actOnAlias))
	quick.DELETE("/aliases/*name", g.handle(g.deleteAlias))

	quick.POST("/keys", g.handle(g.createKey))
	quick.GET("/keys", g.handle(g.listKeys))
	quick.DELETE("/keys/:id", g.handle(g.deleteKey))

	quick.GET("/tasks", g.handle(g.listTasks))
	quick.POST("/tasks", g.handle(g.createTask))
	quick.GET("/tasks/:name", g.handle(g.getTask))
	quick.GET("/tasks/:name/preview", g.handle(g.previewTask))
	quick.GET("/tasks/:name/pictures/*file", g.handle(g.getTaskPicture)) // files may lie in a folder
	quick.DELETE("/tasks/:name", g.handle(g.deleteTask))
	quick.POST("/searches", g.handle(g.createSearch))
	quick.GET("/searches", g.handle(g.listSearches))
	quick.GET("/workers", g.handle(g.listWorkers))
	quick.GET("/searches/:id", g.handle(g.getSearch))
	quick.GET("/searches/:id/trials", g.handle(g.listTrials))
	quick.GET("/searches/:id/trials/:trial/recipe", g.handle(g.getTrialRecipe))
	quick.GET("/searches/:id/trials/:trial/samples", g.handle(g.listTrialSamples))
	quick.GET("/searches/:id/cells", g.handle(g.listCells))
	quick.GET("/searches/:id/plot.svg", g.handle(g.plotSearch))
	quick.POST("/searches/:id/cancel", g.handle(g.cancelSearch))
	quick.POST("/searches/:id/pause", g.handle(g.pauseSearch))
	quick.POST("/searches/:id/resume", g.handle(g.resumeSearch))
	quick.POST("/searches/:id/clone", g.refuseWhileDraining, g.handle(g.cloneSearch))

	quick.POST("/evaluations", g.refuseWhileDraining, g.handle(g.createEvaluation))
	quick.GET("/evaluations", g.handle(g.listEvaluations))
	quick.GET("/evaluations/:id", g.handle(g.getEvaluation))
	quick.GET("/evaluations/:id/samples", g.handle(g.listEvaluationSamples))
	quick.POST("/evaluations/:id/cancel", g.handle(g.cancelEvaluation))

	watch := api.Group("/", g.atMost(g.limits.Watchers, "watchers"))
	watch.GET("/searches/:id/events", g.handle(g.watchSearch))
	watch.GET("/evaluations/:id/events", g.handle(g.watchEvaluation))
	return r
}

// created answers with a new resource and where it is.
func created(c *gin.Context, location string, v any) error {
	c.Header("Location", location)
	c.PureJSON(http.StatusCreated, v)
	return nil
}

// ok answers with a resource.
func ok(c *gin.Context, v any) error {
	c.PureJSON(http.StatusOK, v)
	return nil
}
