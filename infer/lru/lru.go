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
	order *list.List // of *entry[K, V], the most recently used first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	once  sync.Once
	value V
	err   error
}

// New is a cache of at most so many things.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{max: max, order: list.New(), byKey: map[K]*list.Element{}}
}

// Get gives what is kept by key, or what is made. Whoever asks meanwhile waits
// for the one that makes it. What failed is not kept.
func (c *Cache[K, V]) Get(key K, make func() (V, error)) (V, error) {
	e := c.entry(key)
	e.once.Do(func() { e.value, e.err = make() })
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
	if c.order.Len() > c.max {
		oldest := c.order.Remove(c.order.Back()).(*entry[K, V])
		delete(c.byKey, oldest.key)
	}
	return e
}

func (c *Cache[K, V]) drop(e *entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.byKey[e.key]; ok && at.Value.(*entry[K, V]) == e {
		c.order.Remove(at)
		delete(c.byKey, e.key)
	}
}

// Len is how many things are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
