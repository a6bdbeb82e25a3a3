package picture

import (
	"math"
	"strconv"
)

// bestGrid is the pinpoint, a height and a width, in which most of a picture's
// pixels survive, and among those the one that wastes least. It is transformers'
// select_best_resolution; pinpoints has at least one.
func bestGrid(width, height int, pinpoints [][2]int) [2]int {
	best, most, least := pinpoints[0], -1, 0
	for _, p := range pinpoints {
		scale := min(float64(p[1])/float64(width), float64(p[0])/float64(height))
		kept := int(float64(width)*scale) * int(float64(height)*scale)
		kept = min(kept, width*height)
		wasted := p[0]*p[1] - kept
		if kept > most || kept == most && wasted < least {
			best, most, least = p, kept, wasted
		}
	}
	return best
}

// fitWithin is the largest size within a grid of the same shape, rounded up
// (transformers' get_patch_output_size).
func fitWithin(width, height int, grid [2]int) (int, int) {
	scaleW, scaleH := float64(grid[1])/float64(width), float64(grid[0])/float64(height)
	if scaleW < scaleH {
		return grid[1], min(int(math.Ceil(float64(height)*scaleW)), grid[0])
	}
	return min(int(math.Ceil(float64(width)*scaleH)), grid[1]), grid[0]
}

// span is a range of rows and columns.
type span struct{ top, bottom, left, right int }

// unpadded is what of rows × columns patches shows a picture of this size, and not
// the black beside or above it (transformers' unpad_image). It may be empty, for a
// picture that is narrower than a patch once it fits.
func unpadded(width, height, rows, columns int) span {
	s := span{0, rows, 0, columns}
	if float64(width)/float64(height) > float64(columns)/float64(rows) {
		scale := float64(columns) / float64(width)
		s.top = (rows - wholePart(float64(height)*scale)) / 2
		s.bottom = rows - s.top
	} else {
		scale := float64(rows) / float64(height)
		s.left = (columns - wholePart(float64(width)*scale)) / 2
		s.right = columns - s.left
	}
	return s
}

// wholePart is Python's int(round(x, 7)): 23.99999999 is 24.
func wholePart(x float64) int {
	rounded := strconv.FormatFloat(x, 'f', 7, 64) // from the exact value, as Python does
	whole, _ := strconv.Atoi(rounded[:len(rounded)-len(".0000000")])
	return whole
}

// newline stands for the model's image_newline in [Prepared.Order].
const newline = -1

// anyresOrder lists the features of a picture in tiles: those of tile 0, the whole
// picture, then row by row what the other tiles show of it, and a newline after each
// row (transformers' pack_image_features). side is the patches of a tile in each
// direction.
func anyresOrder(width, height, side int, grid [2]int) []int32 {
	down, over := grid[0], grid[1] // tiles
	per := side * side
	s := unpadded(width, height, down*side, over*side)
	order := make([]int32, 0, anyresTokens(width, height, side, grid))
	for i := range per {
		order = append(order, int32(i))
	}
	for y := s.top; y < s.bottom; y++ {
		for x := s.left; x < s.right; x++ {
			tile := 1 + y/side*over + x/side
			order = append(order, int32(tile*per+y%side*side+x%side))
		}
		order = append(order, newline)
	}
	return order
}

// anyresTokens is the length of anyresOrder.
func anyresTokens(width, height, side int, grid [2]int) int {
	s := unpadded(width, height, grid[0]*side, grid[1]*side)
	return side*side + (s.bottom-s.top)*(s.right-s.left+1)
}
