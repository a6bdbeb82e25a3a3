package infer

// Every new combination of shapes is a compilation. Sizes are rounded up to
// buckets, so that there are few combinations and little waste.

// rowBucket rounds up a number of rows that decode: 4, 8, 16, 32, 48, 64, 96…
// Two and three have no bucket of their own: programs are few, and a step of four
// takes hardly longer.
func rowBucket(rows int) int { return bucket(rows, 4, 32) }

// promptBucket rounds up a number of prompts that are computed together: 1, 2,
// 4, 8… Their tokens make rows enough.
func promptBucket(rows int) int { return bucket(rows, 1, 32) }

// columnBucket rounds up a number of cache columns: 32, 48, 64, 96, 128, 192…
func columnBucket(columns int) int { return bucket(columns, 32, 32) }

// widthBucket rounds up the width of a prompt: 8, 16, 32, 48, 64, 96, 128…
func widthBucket(tokens int) int { return bucket(tokens, 8, 32) }

// floorWidth rounds a width down to a bucket.
func floorWidth(tokens int) int {
	for width := tokens; width > 8; width-- {
		if widthBucket(width) == width {
			return width
		}
	}
	return 8
}

// bucket gives the first of least·2ⁿ and, from halves on, 1.5·least·2ⁿ, that
// holds n.
func bucket(n, least, halves int) int {
	for size := least; ; size *= 2 {
		if n <= size {
			return size
		}
		if between := size + size/2; size >= halves && n <= between {
			return between
		}
	}
}
