package gateway

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// listTasks lists what models can be scored on.
//
//	@Summary	List the tasks
//	@Tags		tasks
//	@Security	BearerAuth
//	@Produce	json
//	@Success	200	{object}	TaskList
//	@Router		/v1/tasks [get]
func (g *Gateway) listTasks(c *gin.Context) error {
	tasks, err := g.tasks.List(c.Request.Context())
	if err != nil {
		return err
	}
	reply := TaskList{Object: "list", Data: make([]Task, len(tasks))}
	for i, t := range tasks {
		reply.Data[i] = newTask(t)
	}
	return ok(c, reply)
}

// createTask keeps a task that comes with the request.
//
//	@Summary		Upload a task
//	@Description	As JSON, or as multipart/form-data with the parts yaml, search, validation and test, and one for each picture, called what the problems call it. Everything is checked first: keys, metrics, problems, pictures, and that no two splits ask the same. All gateways on one Redis know the task at once. To upload the same again changes nothing, and is answered with 200.
//	@Tags			tasks
//	@Security		BearerAuth
//	@Accept			json,mpfd
//	@Produce		json
//	@Param			request	body		TaskUpload	true	"the task's files"
//	@Success		200		{object}	Task
//	@Success		201		{object}	Task
//	@Failure		400		{object}	ErrorReply	"something is wrong with the task; param names the file, the message its line"
//	@Failure		409		{object}	ErrorReply	"there is another task of that name, or there are too many"
//	@Failure		413		{object}	ErrorReply	"it is too long"
//	@Router			/v1/tasks [post]
func (g *Gateway) createTask(c *gin.Context) error {
	files, err := g.readTask(c)
	if err != nil {
		return err
	}
	t, made, err := g.tasks.Put(c.Request.Context(), files)
	if err != nil {
		return err
	}
	reply := newTask(task.Listing{Name: t.Name, Task: t, Uploaded: true})
	if !made {
		return ok(c, reply)
	}
	return created(c, "/v1/tasks/"+t.Name, reply)
}

// getTask describes one task.
//
//	@Summary	Describe a task
//	@Tags		tasks
//	@Security	BearerAuth
//	@Produce	json
//	@Param		name	path		string	true	"the task's name"
//	@Success	200		{object}	Task
//	@Failure	404		{object}	ErrorReply
//	@Router		/v1/tasks/{name} [get]
func (g *Gateway) getTask(c *gin.Context) error {
	tasks, err := g.tasks.List(c.Request.Context())
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Name == c.Param("name") {
			return ok(c, newTask(t))
		}
	}
	return fault.New(fault.NotFound, "there is no task %q", clip(c.Param("name"), 80))
}

// deleteTask forgets a task that was uploaded.
//
//	@Summary		Delete a task
//	@Description	One that was uploaded, and that no search needs any more. Scores that were found with it stay.
//	@Tags			tasks
//	@Security		BearerAuth
//	@Produce		json
//	@Param			name	path		string	true	"the task's name"
//	@Success		200		{object}	DeletedTask
//	@Failure		404		{object}	ErrorReply
//	@Failure		409		{object}	ErrorReply	"a search needs it, or it was not uploaded"
//	@Router			/v1/tasks/{name} [delete]
func (g *Gateway) deleteTask(c *gin.Context) error {
	ctx, name := c.Request.Context(), c.Param("name")
	searches, err := g.searches.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range searches {
		if asks(s.Spec, name) && !s.State.Final() {
			return fault.New(fault.Conflict, "search %s needs the task: cancel it first", s.ID)
		}
	}
	if err := g.tasks.Delete(ctx, name); err != nil {
		return err
	}
	return ok(c, DeletedTask{ID: name, Object: "task.deleted", Deleted: true})
}

// asks tells whether a search scores on a task.
func asks(spec search.Spec, name string) bool {
	return spec.Task == name || slices.ContainsFunc(spec.Objectives, func(o search.Objective) bool { return o.Task == name })
}

// defaultPreview is how many problems are shown if the request doesn't say.
const defaultPreview = 5

// previewTask shows how problems are asked, and what is expected.
//
//	@Summary		Preview a task
//	@Description	The problems as a model is asked them, with the answers that are expected, and where their pictures are. With a model, the conversation as its chat template writes it; no weights are loaded for that.
//	@Tags			tasks
//	@Security		BearerAuth
//	@Produce		json
//	@Param			name	path		string	true	"the task's name"
//	@Param			split	query		string	false	"search, validation or test; the first that the task has if absent"	Enums(search, validation, test)
//	@Param			model	query		string	false	"whose chat template"
//	@Param			offset	query		int		false	"skip so many problems"
//	@Param			limit	query		int		false	"show so many; 5 if absent"
//	@Success		200		{object}	TaskPreview
//	@Failure		400		{object}	ErrorReply	"the task has no such problems, or the template refuses them"
//	@Failure		404		{object}	ErrorReply	"the task or the model does not exist"
//	@Router			/v1/tasks/{name}/preview [get]
func (g *Gateway) previewTask(c *gin.Context) error {
	offset, err := queryInt(c, "offset", 0, 0, maxQueryInt)
	if err != nil {
		return err
	}
	limit, err := queryInt(c, "limit", min(defaultPreview, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	t, err := g.tasks.Get(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	problems, err := pickSplit(t, c.Query("split"))
	if err != nil {
		return err
	}
	var words *catalog.Words
	if model := c.Query("model"); model != "" {
		if err := g.checkModelName(model); err != nil {
			return err
		}
		w, err := g.catalog.Words(ctx, model)
		if err != nil {
			return asModelFault(err, model)
		}
		words = &w
	}
	preview := TaskPreview{Object: "list", Data: []PreviewedProblem{}, Total: len(problems), HasMore: len(problems)-offset > limit}
	rest := problems[min(offset, len(problems)):]
	for _, p := range rest[:min(limit, len(rest))] {
		shown, err := previewed(t, p, words)
		if err != nil {
			return err
		}
		preview.Data = append(preview.Data, shown)
	}
	return ok(c, preview)
}

// pickSplit gives the problems of a split; of the first there is, if none is named.
func pickSplit(t *task.Task, name string) ([]task.Problem, error) {
	for _, split := range task.Splits() {
		if (name == "" || name == string(split)) && t.Count(split) > 0 {
			return t.Problems(split), nil
		}
	}
	return nil, fault.Bad("split", "task %q has no %q problems", t.Name, clip(name, 40))
}

// previewed is a problem as it is asked, through the template of a model if there
// is one.
func previewed(t *task.Task, p task.Problem, w *catalog.Words) (PreviewedProblem, error) {
	shown := PreviewedProblem{ID: p.ID, Answers: append([]string{p.Answer}, p.Answers...)}
	if t.Chooses() {
		shown.Choices = p.Choices
	}
	if t.Format == task.Text {
		shown.Prompt = t.Text(p)
		return shown, nil
	}
	for _, picture := range t.Pictures(p) {
		shown.Images = append(shown.Images, "/v1/tasks/"+t.Name+"/pictures/"+picture.Name)
	}
	messages := t.Messages(p)
	for _, m := range messages {
		shown.Messages = append(shown.Messages, task.Turn{Role: m.Role, Content: spoken(m)})
	}
	if w == nil {
		return shown, nil
	}
	var err error
	shown.Prompt, err = w.Template.Render(messages)
	return shown, err
}
