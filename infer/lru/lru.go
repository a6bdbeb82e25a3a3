// Package lru keeps what takes long to make, as much of it as is told.
package lru

import (
	"container/list"
	"sync"
)

// Cache keeps the most recently used of the things that it made. Those that it
// drops are the garbage collector's once nobody holds them.
type Cache[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	used  int         // the weight of what is kept
	weigh func(V) int // nil: each counts as one
	order *list.List  // of *entry[K, V], the most recently used first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key    K
	once   sync.Once
	weight int // when it has been made
	value  V
	err    error
}

// New is a cache of at most so many things.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{max: max, order: list.New(), byKey: map[K]*list.Element{}}
}

// NewWeighed is a cache of things that weigh so much together. One that is heavier by
// itself is not kept.
func NewWeighed[K comparable, V any](max int, weigh func(V) int) *Cache[K, V] {
	c := New[K, V](max)
	c.weigh = weigh
	return c
}

// Get gives what is kept by key, or what is made. Whoever asks meanwhile waits
// for the one that makes it. What failed is not kept.
func (c *Cache[K, V]) Get(key K, make func() (V, error)) (V, error) {
	e := c.entry(key)
	e.once.Do(func() {
		if e.value, e.err = make(); e.err == nil && c.weigh != nil {
			c.add(e)
		}
	})
	if e.err != nil {
		c.drop(e)
	}
	return e.value, e.err
}

func (c *Cache[K, V]) entry(key K) *entry[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.byKey[key]; ok {
		c.order.MoveToFront(at)
		return at.Value.(*entry[K, V])
	}
	e := &entry[K, V]{key: key}
	c.byKey[key] = c.order.PushFront(e)
	if c.weigh == nil && c.order.Len() > c.max {
		c.remove(c.order.Back())
	}
	return e
}

// add counts the weight of what has been made, and makes room for it.
func (c *Cache[K, V]) add(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.byKey[e.key]
	if !ok || at.Value.(*entry[K, V]) != e {
		return
	}
	weight := c.weigh(e.value)
	if weight > c.max {
		c.remove(at)
		return
	}
	e.weight = weight
	c.used += weight
	for c.used > c.max {
		c.remove(c.order.Back())
	}
}

// remove forgets one thing.
func (c *Cache[K, V]) remove(at *list.Element) {
	e := c.order.Remove(at).(*entry[K, V])
	delete(c.byKey, e.key)
	c.used -= e.weight
}

func (c *Cache[K, V]) drop(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.byKey[e.key]; ok && at.Value.(*entry[K, V]) == e {
		c.remove(at)
	}
}

// Len is how many things are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
