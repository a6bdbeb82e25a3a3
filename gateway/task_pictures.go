package gateway

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/search/task"
)

// getTaskPicture gives a picture that problems show.
//
//	@Summary		Get a picture of a task
//	@Description	One that the task's problems show, as its file is. Previews have the addresses.
//	@Tags			tasks
//	@Security		BearerAuth
//	@Produce		image/png,image/jpeg,image/webp,image/gif
//	@Param			name	path		string	true	"the task's name"
//	@Param			file	path		string	true	"the picture's name, which may have a slash"
//	@Success		200		{string}	string	"the picture"
//	@Failure		404		{object}	ErrorReply	"the task or the picture does not exist"
//	@Router			/v1/tasks/{name}/pictures/{file} [get]
func (g *Gateway) getTaskPicture(c *gin.Context) error {
	t, err := g.tasks.Get(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(c.Param("file"), "/")
	picture, there := t.Picture(name)
	if !there {
		return fault.New(fault.NotFound, "task %q has no picture %q", t.Name, clip(name, 80))
	}
	c.Header("Content-Security-Policy", picturePolicy)
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, pictureTypes[task.PictureKind(picture.Data)], picture.Data)
	return nil
}

// pictureTypes are the media types of what a task can show.
var pictureTypes = map[string]string{"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}

// spoken is all that a message says beside its pictures.
func spoken(m chat.Message) string {
	said := m.Content
	for _, part := range m.Parts {
		said += part.Text
	}
	return said
}
