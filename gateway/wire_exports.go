package gateway

// ExportRequest is the body of POST /v1/recipes/{id}/export.
type ExportRequest struct {
	Folder string `json:"folder" binding:"required" example:"winner-v1"` // below the server's folder for exports; no slashes
	Force  bool   `json:"force,omitempty"`                               // replace a folder that was exported before
}

// Export is a model on its way to a folder, or there.
type Export struct {
	ID         string      `json:"id" example:"export-0123456789abcdef"`
	Object     string      `json:"object" enums:"export"`
	Recipe     string      `json:"recipe" example:"recipe-0123456789abcdef"` // the id of what is exported
	Folder     string      `json:"folder"`                                   // below the folder that the server exports to
	State      ExportState `json:"state" enums:"running,completed,failed,cancelled,suspended"`
	Bytes      int64       `json:"bytes"`       // of weights that are written
	TotalBytes int64       `json:"total_bytes"` // 0 until the model is made
	Error      *ErrorBody  `json:"error" extensions:"x-nullable"`
	Created    int64       `json:"created"`
	Finished   int64       `json:"finished,omitempty"` // when it ended; absent while it runs
}

// ExportState says how far an export is.
type ExportState string

// The states of an export. A suspended one was running when the server was told to
// end, and goes on at its next start.
const (
	ExportRunning   ExportState = "running"
	ExportCompleted ExportState = "completed"
	ExportFailed    ExportState = "failed"
	ExportCancelled ExportState = "cancelled"
	ExportSuspended ExportState = "suspended"
)

// ExportList is the reply to GET /v1/exports.
type ExportList struct {
	Object string   `json:"object" enums:"list"`
	Data   []Export `json:"data"`
}
