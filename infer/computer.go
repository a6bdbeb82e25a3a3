package infer

// computer is what the scheduler needs of a device: KV caches, and the passes
// that fill them. The scheduler knows nothing else of models, so that its tests
// need none.
//
// All rows of a cache are written at the same column: sequences are aligned at
// their newest token, and row b sees the columns from start[b] on. One scalar
// then says where a whole batch writes, and nothing is ever scattered. Columns
// before start[b] may hold anything.
//
// Methods that change a cache take its buffers and put others in their place;
// after an error the cache is spent, and only free may be called.
type computer interface {
	// alloc makes a cache for models of w's shape. fault.OutOfMemory if the
	// budget has no room for it.
	alloc(w *Weights, rows, columns int) (kv, error)
	// rows is how many rows a cache should have for n sequences: n at the least.
	rows(w *Weights, n int) int
	// cacheBytes is what such a cache takes.
	cacheBytes(w *Weights, rows, columns int) int64
	// extend passes tokens [rows][T] through the model and writes columns
	// column..column+T-1. Where seen has a hidden state it takes that, and the token
	// may be any number; nil: it has none.
	extend(w *Weights, c kv, tokens [][]int32, seen *given, start []int32, column int, want logits) (output, error)
	// decode does n greedy steps at once: last [rows] are the newest tokens. It
	// gives the tokens of each step, [n][rows].
	decode(w *Weights, c kv, last, start []int32, column, n int) ([][]int32, error)
	// move makes a cache of other size: row r of it is row from[r] of c, column x
	// is column x+shift of c (nothing where there is none). c stays as it is.
	move(w *Weights, c kv, from []int32, columns, shift int) (kv, error)
	// join copies rows of b into c, b's last column to column-1: row r of b
	// becomes row to[r] of c, or is left out where to[r] is -1.
	join(w *Weights, c, b kv, to []int32, column int) error
	// load copies the beginning of a saved prefix into rows of c: count[r] tokens,
	// the first of which lies at column first of the prefix (a cache of one row),
	// to the columns before end. Rows with count 0 stay as they are.
	load(w *Weights, c, prefix kv, first, end int, count []int32) error
	// see gives the hidden states of tiles of pictures, [P·D] of each.
	see(v *Vision, tiles [][]float32) ([][]float32, error)
	// newline gives the hidden state [D] that stands between rows of a picture.
	newline(v *Vision) ([]float32, error)
	// compilations counts the programs compiled so far.
	compilations() int64
	close()
}

// kv is a KV cache on the device. free gives its memory back; to call it again
// does nothing.
type kv interface {
	rows() int
	columns() int
	bytes() int64
	free()
}

// logits says which of a pass's logits the host wants.
type logits int

const (
	noLogits     logits = iota // only the most probable next token
	lastLogits                 // those after the last token of each row
	allLogits                  // those after each token
	hiddenStates               // none, but the hidden states that they come from, pooled
)

// output is what comes of a pass.
type output struct {
	picked []int32     // [rows] the most probable token after each row
	logits [][]float32 // [rows] or, with allLogits, [rows·T]; each [V]
	pooled []pooled    // [rows], with hiddenStates alone
}

// pooled is what a pass tells of a row's hidden states after the final norm.
type pooled struct {
	sum  []float32 // [D] over the row's tokens, without padding
	last []float32 // [D] of the last one
}
