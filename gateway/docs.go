package gateway

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/openapi"
)

//go:embed web
var web embed.FS

// pagePolicy lets the pages run what this server ships and nothing else: no
// inline code, no other host, no frame around them. Pictures that people attach to
// a chat are shown from data URIs.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes of the files in web/. The system's own table is not asked: it
// may say that scripts are text, and browsers would not run them.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// getDashboard is the page with the models, the searches and a chat.
//
//	@Summary	The dashboard
//	@Tags		server
//	@Produce	html
//	@Success	200	{string}	string	"a page"
//	@Router		/ [get]
func (g *Gateway) getDashboard(c *gin.Context) error { return serveFile(c, "dashboard.html") }

// getDocs is the page that shows /openapi.json and tries it out.
//
//	@Summary	The API reference
//	@Tags		server
//	@Produce	html
//	@Success	200	{string}	string	"a page"
//	@Router		/docs [get]
func (g *Gateway) getDocs(c *gin.Context) error { return serveFile(c, "docs.html") }

// getAsset serves the scripts and styles of the pages.
//
//	@Summary	A script or style of the pages
//	@Tags		server
//	@Param		file	path		string	true	"its name"
//	@Success	200		{string}	string	"the file"
//	@Failure	404		{object}	ErrorReply
//	@Router		/assets/{file} [get]
func (g *Gateway) getAsset(c *gin.Context) error {
	name := c.Param("file")
	if strings.HasSuffix(name, ".html") {
		return fault.New(fault.NotFound, "there is no such file")
	}
	return serveFile(c, name)
}

// getOpenAPI serves this document.
//
//	@Summary	This document
//	@Tags		server
//	@Produce	json
//	@Success	200	{object}	object	"OpenAPI 3"
//	@Router		/openapi.json [get]
func (g *Gateway) getOpenAPI(c *gin.Context) error {
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "application/json; charset=utf-8", openapi.Document())
	return nil
}

// serveFile sends one embedded file under the pages' policy.
func serveFile(c *gin.Context, name string) error {
	data, err := fs.ReadFile(web, path.Join("web", path.Base(name)))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such file")
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	c.Data(http.StatusOK, contentTypes[path.Ext(name)], data)
	return nil
}
