package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/mergeway/mergeway/fault"
)

// Bolt keeps records in one file, in a B+ tree of bbolt. One process at a time
// can have the file open. Every write is a transaction of its own that ends with
// fsync; readers see the state between two writes and never wait for one.
//
// Claims of searches are not in the file: whoever made them lives no longer than
// this process.
//
// The file holds these buckets; values are JSON as the record types have it:
//
//	mergeway   "format" -> "1"
//	recipes    id -> Recipe
//	aliases    name -> Alias
//	keys       id -> Key
//	searches   id -> Search
//	trials     search id -> bucket of: number, 8 bytes big-endian -> Trial
//	samples    search id -> bucket of: number, 8 bytes big-endian -> bytes
//	responses  id -> Response
//	response order  time of creation, 8 bytes big-endian, and id -> time of expiry, 8 bytes
//	documents       kind -> bucket of: id -> Document
//	document data   kind -> bucket of: id -> bytes
type Bolt struct {
	db     *bolt.DB
	path   string
	claims boltClaims
}

var _ Store = (*Bolt)(nil)

// format is the version of what is written, in both stores.
const format = "1"

// lockPatience is how long OpenBolt waits for another process to let go of the
// file: long enough for one that is just ending, short enough for a person.
const lockPatience = 2 * time.Second

var (
	bucketMeta      = []byte("mergeway")
	bucketRecipes   = []byte("recipes")
	bucketAliases   = []byte("aliases")
	bucketKeys      = []byte("keys")
	bucketSearches  = []byte("searches")
	bucketTrials    = []byte("trials")
	bucketSamples   = []byte("samples")
	bucketDocuments = []byte("documents")
	bucketData      = []byte("document data")
	bucketKept      = []byte("responses")
	bucketOrder     = []byte("response order")
	keyFormat       = []byte("format")
)

// OpenBolt opens the file at path, or makes it and the folders above it. It
// fails with fault.Unavailable if another process has the file open, and with
// fault.Damaged if it isn't one of ours or is broken.
func OpenBolt(path string) (*Bolt, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the folder of the state file can't be made")
	}
	s := &Bolt{path: path, claims: boltClaims{bySearch: map[string]*boltClaim{}}}
	var file *os.File
	options := &bolt.Options{Timeout: lockPatience, OpenFile: func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}}
	if err := s.guard(func() (err error) { s.db, err = bolt.Open(path, 0o600, options); return err }); err != nil {
		if file != nil {
			_ = file.Close() // after a panic it is still open, and locked
		}
		return nil, err
	}
	if err := s.prepare(dir); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// prepare makes the buckets of a new file, or checks that an old one is ours and
// makes those that it lacks.
func (s *Bolt) prepare(dir string) error {
	complete := false
	if err := s.guard(func() error { return s.db.View(s.inspect(&complete)) }); err != nil || complete {
		return err
	}
	if err := s.guard(func() error { return s.db.Update(makeBuckets) }); err != nil {
		return err
	}
	return syncFolder(dir) // the file's name, too, has to be on disk
}

// inspect checks the format of the file, and finds out whether it has all of its
// buckets: a new one has none, one of an earlier mergeway may lack some.
func (s *Bolt) inspect(complete *bool) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		info, err := os.Stat(s.path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fault.New(fault.Damaged, "the state file %s was cut short: it has %d bytes of at least %d", s.path, info.Size(), tx.Size())
		}
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return fault.New(fault.Damaged, "%s belongs to another program", s.path)
			}
			return nil
		}
		if found := string(meta.Get(keyFormat)); found != format {
			return fault.New(fault.Damaged, "the state file %s has the format %q; this mergeway reads %q", s.path, found, format)
		}
		*complete = !slices.ContainsFunc(buckets(), func(name []byte) bool { return tx.Bucket(name) == nil })
		return nil
	}
}

func buckets() [][]byte {
	return [][]byte{bucketMeta, bucketRecipes, bucketAliases, bucketKeys, bucketSearches, bucketTrials, bucketSamples, bucketKept, bucketOrder, bucketDocuments, bucketData}
}

func makeBuckets(tx *bolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, []byte(format))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder of the state file can't be read")
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the folder of the state file can't be synced")
	}
	return nil
}

// Ping implements [Store].
func (s *Bolt) Ping(ctx context.Context) error {
	return s.view(ctx, func(*bolt.Tx) error { return nil })
}

// Close implements [Store]. It waits for transactions that are under way.
func (s *Bolt) Close() error { return s.guard(s.db.Close) }

// view reads in one transaction.
func (s *Bolt) view(ctx context.Context, read func(tx *bolt.Tx) error) error {
	if err := goOn(ctx); err != nil {
		return err
	}
	return s.guard(func() error { return s.db.View(read) })
}

// update writes in one transaction; when it returns nil, the write is on disk.
func (s *Bolt) update(ctx context.Context, write func(tx *bolt.Tx) error) error {
	if err := goOn(ctx); err != nil {
		return err
	}
	return s.guard(func() error { return s.db.Update(write) })
}

// guard gives errors of bbolt their codes. A tree that is broken in the middle
// makes bbolt panic, or read from behind the end of the file, which the kernel
// punishes by a signal: both become errors here.
func (s *Bolt) guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Damaged, "the state file %s is broken: %v", s.path, p)
		}
	}()
	return s.fault(do())
}

func (s *Bolt) fault(err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fault.Wrap(err, fault.Unavailable, "the state file %s is in use by another process", s.path)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return fault.Wrap(err, fault.Unavailable, "the store is closed")
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrIncompatibleValue),
		strings.Contains(err.Error(), "file size too small"): // bbolt has no name for it
		return fault.Wrap(err, fault.Damaged, "%s is no state file of mergeway, or a broken one", s.path)
	case isFileError(err):
		return fault.Wrap(err, fault.Unavailable, "the state file %s can't be used", s.path)
	}
	return fmt.Errorf("state file %s: %w", s.path, err)
}

// InUse tells whether a state file could not be opened because another process
// has it open.
func InUse(err error) bool { return errors.Is(err, bolterrors.ErrTimeout) }

func isFileError(err error) bool {
	var path *fs.PathError
	var call *os.SyscallError
	return errors.As(err, &path) || errors.As(err, &call)
}

// --- reading and writing records ------------------------------------------------

// get reads one record.
func get[T any](s *Bolt, ctx context.Context, bucket []byte, kind, key string) (T, error) {
	var record T
	err := s.view(ctx, func(tx *bolt.Tx) error {
		data := tx.Bucket(bucket).Get([]byte(key))
		if data == nil {
			return missing(kind, key)
		}
		return decode(data, kind, key, &record)
	})
	return record, err
}

// list reads all records of a bucket.
func list[T any](s *Bolt, ctx context.Context, bucket []byte, kind string) ([]T, error) {
	all := []T{}
	err := s.view(ctx, func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(key, data []byte) error {
			var record T
			if err := decode(data, kind, string(key), &record); err != nil {
				return err
			}
			all = append(all, record)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (s *Bolt) put(ctx context.Context, bucket []byte, key string, data []byte) error {
	return s.update(ctx, func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put([]byte(key), data) })
}

func (s *Bolt) delete(ctx context.Context, bucket []byte, kind, key string) error {
	return s.update(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		if b.Get([]byte(key)) == nil {
			return missing(kind, key)
		}
		return b.Delete([]byte(key))
	})
}
