// Package fetch gets files that a request gives by address: [Data] those that are in
// a data URI, a [Fetcher] those that lie on a web server.
//
// A server that fetches what strangers name can be made to ask machines that only it
// can reach. So nothing is fetched unless the operator lists the hosts. A listed
// name may still lead anywhere: what counts is the address that a connection is made
// to, looked at when the name has been resolved and before anything is sent, at each
// of the few redirects anew. Only addresses that all the world can reach pass. No
// proxy, cookie, credential or compressed body is involved, and how much is read, of
// headers as of the body, and for how long, has limits.
//
//	f, err := fetch.New(fetch.Options{Hosts: []string{"images.example.com"}})
//	data, err := f.Fetch(ctx, "https://images.example.com/cat.png")
//
// Errors say what is wrong in words for the client and name no param: which field of
// the request the address was in, the caller knows.
package fetch
