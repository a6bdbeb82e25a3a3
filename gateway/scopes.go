package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
)

// anyScope is for what every key may see: what there is to ask for.
const anyScope keys.Scope = ""

// scopeOf says which scope a route needs. What is not about searches, and
// changes nothing but the device's temperature, is inference.
func scopeOf(method, route string) keys.Scope {
	reads := method == http.MethodGet || method == http.MethodHead
	switch {
	case under(route, "/v1/keys", "/v1/exports"):
		return keys.Manage
	case under(route, "/v1/searches", "/v1/evaluations", "/v1/workers"):
		return keys.Search
	case under(route, "/v1/models", "/v1/recipes", "/v1/aliases"):
		if reads {
			return anyScope
		}
		return keys.Manage
	case under(route, "/v1/tasks"):
		if reads && !strings.HasSuffix(route, "/preview") && !strings.Contains(route, "/pictures/") { // which show what is asked, and the answers
			return anyScope
		}
		return keys.Search
	case under(route, "/metrics"):
		return anyScope
	}
	return keys.Inference
}

// under tells whether a route is one of some resources, or below it.
func under(route string, resources ...string) bool {
	return slices.ContainsFunc(resources, func(resource string) bool {
		return route == resource || strings.HasPrefix(route, resource+"/")
	})
}

// may gives an error if a caller lacks a scope.
func (w caller) may(scope keys.Scope) error {
	if w.all || scope == anyScope || slices.Contains(w.scopes, scope) {
		return nil
	}
	return fault.New(insufficientScope, "this needs the scope %s, which the API key does not have", scope)
}
