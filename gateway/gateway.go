package gateway

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/toolcall"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/quota"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// Catalog is what the gateway needs of a catalog.Catalog: names to models.
type Catalog interface {
	List(ctx context.Context) ([]catalog.Entry, error)
	Get(ctx context.Context, name string) (catalog.Entry, error)
	Words(ctx context.Context, name string) (catalog.Words, error)
	CommonWords(ctx context.Context) (catalog.Words, error)
	Card(ctx context.Context, name string) (catalog.Card, error)
	Acquire(ctx context.Context, name string) (*catalog.Lease, error)
	Load(ctx context.Context, name string, pinned bool) (catalog.Entry, error)
	Unload(ctx context.Context, name string) (catalog.Entry, error)

	Fit(ctx context.Context, r merge.Recipe) (checkpoint.Config, error)
	PutRecipe(ctx context.Context, name string, r merge.Recipe) (store.Recipe, error)
	UseRecipe(ctx context.Context, r merge.Recipe) (store.Recipe, error)
	GetRecipe(ctx context.Context, id string) (store.Recipe, error)
	ListRecipes(ctx context.Context) ([]store.Recipe, error)
	DeleteRecipe(ctx context.Context, id string) error
	Export(ctx context.Context, id string, o catalog.ExportOptions) error

	CheckAlias(ctx context.Context, alias string) error
	SetAlias(ctx context.Context, alias, target string, only ...catalog.Condition) (store.Alias, error)
	RollbackAlias(ctx context.Context, alias string, to catalog.Rollback, only ...catalog.Condition) (store.Alias, error)
	GetAlias(ctx context.Context, alias string) (store.Alias, error)
	ListAliases(ctx context.Context) ([]store.Alias, error)
	DeleteAlias(ctx context.Context, alias string) error
}

// Engine is what the gateway needs of an infer.Engine.
type Engine interface {
	Stream(ctx context.Context, m *infer.Model, r infer.Request) (<-chan infer.Chunk, error)
	Beam(ctx context.Context, m *infer.Model, r infer.Request, o infer.BeamOptions) ([]infer.Result, error)
	Embed(ctx context.Context, m *infer.Model, prompts [][]int32, pooling infer.Pooling) ([][]float32, error)
	Context(c checkpoint.Config) int
}

// Searches is what the gateway needs of a search.Service.
type Searches interface {
	LaunchFor(ctx context.Context, key string, spec search.Spec) (search.Search, error)
	Get(ctx context.Context, id string) (search.Search, error)
	List(ctx context.Context) ([]search.Search, error)
	Trials(ctx context.Context, id string) ([]search.Trial, error)
	Samples(ctx context.Context, id string, trial int) ([]task.Sample, error)
	Cells(ctx context.Context, id string) ([]search.Cell, error)
	Cancel(ctx context.Context, id string) error
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	Events(ctx context.Context, id string, after int) (<-chan search.Event, error)
}

// Evaluations is what the gateway needs of an evaluation.Service.
type Evaluations interface {
	Launch(ctx context.Context, spec evaluation.Spec) (evaluation.Evaluation, error)
	Get(ctx context.Context, id string) (evaluation.Evaluation, error)
	List(ctx context.Context) ([]evaluation.Evaluation, error)
	Samples(ctx context.Context, id string) ([]task.Sample, error)
	Watch(ctx context.Context, id string, after int) (<-chan evaluation.Evaluation, error)
	Cancel(ctx context.Context, id string) error
}

// Tasks is what the gateway needs of a task.Shelf.
type Tasks interface {
	List(ctx context.Context) ([]task.Listing, error)
	Get(ctx context.Context, name string) (*task.Task, error)
	Put(ctx context.Context, f task.Files) (t *task.Task, made bool, err error)
	Delete(ctx context.Context, name string) error
}

// Options are what a Gateway is made of.
type Options struct {
	Catalog  Catalog
	Engine   Engine
	Searches Searches
	Tasks    Tasks
	Workers  Workers      // none if nil
	Pictures Fetcher      // gets pictures; only those in data URIs if nil
	Grammars Grammars     // a constrain.Compiler with its default limits if nil
	Logger   *slog.Logger // slog.Default if nil
	Limits   Limits       // DefaultLimits if zero
	Version  string       // shown by /healthz

	// Evaluations scores models in the background.
	Evaluations Evaluations

	// Responses keeps the responses that conversations go on from.
	Responses ResponseStore
	// DefaultModel is whose tokenizer is meant where a request names no model.
	DefaultModel string

	// ExportsDir is the folder below which models are exported; empty: nowhere.
	ExportsDir string

	// APIKeys are keys that may do everything, and Keys those that may do some things.
	// While there are none of either, the server answers requests from its own
	// machine only.
	APIKeys []string
	Keys    Keys
	// OpenAccess, while there are no keys, answers requests from any machine.
	OpenAccess bool
	// ClientLimits bound each client, by its address, while there are no keys.
	ClientLimits quota.Limits
	// Quota counts what callers use; a quota.Local if nil.
	Quota Quota
	// AllowedOrigins are foreign web origins, such as "https://ui.example.com",
	// whose pages may use the API; "*" is every one.
	AllowedOrigins []string
	// AllowedHosts are the names, besides addresses and localhost, by which the
	// server may be called while it has no keys; "*" is every one.
	AllowedHosts []string

	// Observer is told of requests and generations; may be nil.
	Observer Observer
	// Tracer begins a span for each request; may be nil.
	Tracer trace.Tracer
	// Metrics answers GET /metrics; without it that route says so.
	Metrics http.Handler
	// LogPrompts writes prompts to the log, as the model sees them.
	LogPrompts bool

	// Parts, if set, is asked by /readyz how the parts of the server are.
	Parts func(ctx context.Context) []Part
}

// Gateway is the HTTP face of the program.
type Gateway struct {
	catalog  Catalog
	engine   Engine
	searches Searches
	tasks    Tasks
	workers  Workers
	grammars Grammars
	log      *slog.Logger
	limits   Limits
	version  string
	parts    func(ctx context.Context) []Part
	observer Observer
	tracer   trace.Tracer
	metrics  http.Handler
	prompts  bool // go to the log
	guard    guard
	keys     Keys
	quota    Quota
	origins  origins
	router   *gin.Engine
	started  time.Time

	evaluations  Evaluations
	defaultModel string
	responses    ResponseStore
	exportsDir   string
	exports      *exportJobs

	encodeChat func(m *infer.Model, messages []chat.Message, continued bool, tools ...chat.Tool) ([]int32, error)
	callFormat func(m *infer.Model) toolcall.Format
	vocabulary func(m *infer.Model) constrain.Vocabulary

	pictures      Fetcher
	pictureMemory *pictureMemory
	decoding      chan struct{}
	eyes          func(m *infer.Model) eyes
	eyesOfWords   func(w catalog.Words) eyes
	encodeText    func(m *infer.Model, text string, ids []int32) ([]int32, error)

	drained   context.Context // ends with Drain
	drain     context.CancelFunc
	abandoned atomic.Int64 // generations that were left before their end

	launching sync.Mutex // held while a key's searches are counted
}

// New makes a Gateway. It does not listen: see [Gateway.Handler] and
// [Gateway.Server].
func New(o Options) (*Gateway, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Grammars == nil {
		limits := constrain.DefaultLimits()
		limits.Whitespace = 1 // small models that may write spaces write nothing else
		o.Grammars = constrain.NewCompiler(limits)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Tracer == nil {
		o.Tracer = noop.Tracer{}
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if err := o.Limits.Check(); err != nil {
		return nil, err
	}
	if o.Quota == nil {
		o.Quota = quota.NewLocal()
	}
	if o.Catalog == nil || o.Engine == nil || o.Searches == nil || o.Tasks == nil || o.Evaluations == nil || o.Keys == nil || o.Responses == nil {
		return nil, fault.New(fault.Internal, "a gateway needs a catalog, an engine, a search service, an evaluation service, tasks, keys and a store of responses")
	}
	g := &Gateway{
		catalog: o.Catalog, engine: o.Engine, searches: o.Searches, tasks: o.Tasks, workers: o.Workers, evaluations: o.Evaluations, grammars: o.Grammars,
		log: o.Logger, limits: o.Limits, version: o.Version, parts: o.Parts,
		observer: o.Observer, tracer: o.Tracer, metrics: o.Metrics, prompts: o.LogPrompts,
		guard: newGuard(o), keys: o.Keys, quota: o.Quota, defaultModel: o.DefaultModel, responses: o.Responses,
		exportsDir: o.ExportsDir, exports: &exportJobs{limit: o.Limits.Exports, kept: o.Limits.KeptExports},
		encodeChat: encodeChat, encodeText: encodeText, callFormat: callFormat, vocabulary: vocabulary,
		pictures: o.Pictures, pictureMemory: newPictureMemory(o.Limits.PictureMemory), decoding: make(chan struct{}, o.Limits.PictureDecodes),
		eyes: eyesOf, eyesOfWords: eyesOfWords,
		started: time.Now(),
	}
	g.drained, g.drain = context.WithCancel(context.Background())
	g.origins = origins{allowed: o.AllowedOrigins, hosts: o.AllowedHosts, keyless: g.guard.keyless}
	g.router = g.routes()
	return g, nil
}

// Handler serves every route.
func (g *Gateway) Handler() http.Handler { return g.router }

// Server is a server of the Handler with the connection limits set. Requests
// end with ctx.
func (g *Gateway) Server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           g.Handler(),
		ReadHeaderTimeout: g.limits.HeaderTimeout,
		IdleTimeout:       g.limits.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			boundSending(c, g.limits.SendBuffer)
			return ctx
		},
	}
}

// boundSending bounds what the kernel takes off our hands for a client that does
// not read: two hundred of them could otherwise hold most of a gigabyte, and their
// write would not block, so that nothing would tell that they don't read.
func boundSending(c net.Conn, bytes int) {
	if inner, ok := c.(*tls.Conn); ok {
		c = inner.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(bytes) // a kernel that refuses keeps its own bound
	}
}

// Drain makes the server unready, refuses new generations while those that run
// go on, suspends exports, and ends the streams that follow searches. Call it before
// http.Server.Shutdown.
func (g *Gateway) Drain() { g.drain() }

// draining tells whether Drain was called.
func (g *Gateway) draining() bool { return g.drained.Err() != nil }

// encodeChat is what the model's chat template makes of a conversation: ready for
// a reply, or for the rest of the one that the last message begins.
func encodeChat(m *infer.Model, messages []chat.Message, continued bool, tools ...chat.Tool) ([]int32, error) {
	if continued {
		return m.Template.Continue(messages, tools...)
	}
	return m.Template.Encode(messages, tools...)
}

// encodeText gives a prompt in tokens: text after the model's beginning-of-text
// token, ids just as they are.
func encodeText(m *infer.Model, text string, ids []int32) ([]int32, error) {
	if ids == nil {
		return append(beginning(m.Tokenizer), m.Tokenizer.Encode(text, false)...), nil
	}
	size := int32(m.Tokenizer.VocabSize())
	for _, id := range ids {
		if id < 0 || id >= size {
			return nil, fault.Bad("prompt", "the prompt has the token id %d: the model's ids are 0 to %d", id, size-1)
		}
	}
	return ids, nil
}
