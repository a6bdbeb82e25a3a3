package constrain

// A mask is a set of token ids: bit id%32 of word id/32.

func newBits(n int) []uint32 { return make([]uint32, (n+31)/32) }

func setBit(bits []uint32, id int32) { bits[id/32] |= 1 << (id % 32) }

// hasBit tells whether id is in the set. It may be any number.
func hasBit(bits []uint32, id int32) bool {
	return id >= 0 && int(id/32) < len(bits) && bits[id/32]&(1<<(id%32)) != 0
}

func isEmpty(bits []uint32) bool {
	for _, word := range bits {
		if word != 0 {
			return false
		}
	}
	return true
}
