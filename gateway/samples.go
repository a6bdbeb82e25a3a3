package gateway

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// SamplePage is a page of verdicts on replies to single problems.
type SamplePage struct {
	Object  string        `json:"object" enums:"list"`
	Data    []task.Sample `json:"data"`
	Total   int           `json:"total"`    // how many there are
	HasMore bool          `json:"has_more"` // ask again with offset = what you have
}

// jsonLinesType is the media type of JSON Lines.
const jsonLinesType = "application/jsonl"

// listTrialSamples gives the verdicts on the replies of one trial.
//
//	@Summary		List the samples of a trial
//	@Description	The verdict on each problem that the trial was scored on. As JSON in pages; with format=csv or format=jsonl all at once. A trial that repeated an earlier one has that one's; a trial that failed has none.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json,text/csv,application/jsonl
//	@Param			id		path		string	true	"the search's id"
//	@Param			trial	path		int		true	"the trial's number"
//	@Param			offset	query		int		false	"skip so many"
//	@Param			limit	query		int		false	"length of the page; 100 if absent"
//	@Param			format	query		string	false	"json, csv or jsonl"	Enums(json, csv, jsonl)
//	@Success		200		{object}	SamplePage
//	@Failure		400		{object}	ErrorReply
//	@Failure		404		{object}	ErrorReply	"there is no such search or trial"
//	@Router			/v1/searches/{id}/trials/{trial}/samples [get]
func (g *Gateway) listTrialSamples(c *gin.Context) error {
	number, err := strconv.Atoi(c.Param("trial"))
	if err != nil || number < 0 {
		return fault.Bad("trial", "the trial is %q: trials are numbered from 0", clip(c.Param("trial"), 40))
	}
	id := c.Param("id")
	return g.sendSamples(c, id+"-"+strconv.Itoa(number), func() ([]task.Sample, error) {
		return g.searches.Samples(c.Request.Context(), id, number)
	})
}

// sendSamples answers with samples in the form that the query asks for.
func (g *Gateway) sendSamples(c *gin.Context, name string, get func() ([]task.Sample, error)) error {
	format := c.DefaultQuery("format", "json")
	if format != "json" && format != "csv" && format != "jsonl" {
		return fault.Bad("format", "format is %q: it must be json, csv or jsonl", clip(format, 40))
	}
	offset, err := queryInt(c, "offset", 0, 0, maxQueryInt)
	if err != nil {
		return err
	}
	limit, err := queryInt(c, "limit", min(defaultPage, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	samples, err := get()
	if err != nil {
		return err
	}
	switch format {
	case "csv":
		c.Header("Content-Disposition", `attachment; filename="`+name+`.csv"`)
		c.Header("Content-Type", csvType+"; charset=utf-8")
		c.Status(http.StatusOK)
		return writeSampleTable(c.Writer, samples)
	case "jsonl":
		c.Header("Content-Disposition", `attachment; filename="`+name+`.jsonl"`)
		c.Header("Content-Type", jsonLinesType)
		c.Status(http.StatusOK)
		lines := json.NewEncoder(c.Writer)
		lines.SetEscapeHTML(false)
		for _, s := range samples {
			if err := lines.Encode(s); err != nil {
				return err
			}
		}
		return nil
	}
	page := SamplePage{Object: "list", Data: []task.Sample{}, Total: len(samples), HasMore: len(samples)-offset > limit}
	rest := samples[min(offset, len(samples)):]
	page.Data = append(page.Data, rest[:min(limit, len(rest))]...)
	return ok(c, page)
}

// writeSampleTable writes samples as a table for spreadsheets. What a model wrote
// is no formula, whatever it begins with.
func writeSampleTable(w http.ResponseWriter, samples []task.Sample) error {
	table := csv.NewWriter(w)
	if err := table.Write([]string{"id", "score", "correct", "number_right", "language_right", "extracted", "reply", "failure"}); err != nil {
		return err
	}
	for _, s := range samples {
		row := []string{
			noFormula(s.ID), strconv.FormatFloat(s.Score, 'g', -1, 64), strconv.FormatBool(s.Correct), strconv.FormatBool(s.NumberRight),
			strconv.FormatBool(s.LanguageRight), noFormula(s.Extracted), noFormula(s.Reply), noFormula(s.Failure),
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// noFormula puts a quote before text that a spreadsheet would compute.
func noFormula(text string) string {
	if text == "" {
		return text
	}
	switch text[0] {
	case '=', '+', '@', '\t', '\r':
		return "'" + text
	case '-':
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "'" + text
		}
	}
	return text
}
