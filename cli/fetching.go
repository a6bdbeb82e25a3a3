package cli

import "github.com/mergeway/mergeway/gateway/fetch"

// fetching says from where pictures are fetched, and how much of them.
func (s *serveSettings) fetching() fetch.Options {
	l := s.Limits
	return fetch.Options{
		Hosts: s.PictureHosts, HTTP: s.PictureHTTP,
		Bytes: l.PictureBytes, HeaderBytes: l.PictureHeaders, URLBytes: l.PictureURL, Redirects: l.PictureMoves,
		Timeout: l.PictureTime, Stall: l.PictureStall,
	}
}
