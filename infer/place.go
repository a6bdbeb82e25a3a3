package infer

import (
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// PlacePictures makes room for pictures in a prompt that has one image token for
// each: the token of a picture comes to stand as often as the picture has places.
// Without pictures such tokens are like all others, and ids are given back.
func PlacePictures(ids []int32, v checkpoint.VisionConfig, pictures []*picture.Prepared) ([]int32, error) {
	if len(pictures) == 0 {
		return ids, nil
	}
	places, more := 0, 0
	for _, id := range ids {
		if id != v.ImageTokenID {
			continue
		}
		if places < len(pictures) {
			more += pictures[places].Tokens() - 1
		}
		places++
	}
	if places != len(pictures) {
		return nil, fault.Bad("messages", "the model's template has places for %d pictures, and there are %d", places, len(pictures))
	}
	placed := make([]int32, 0, len(ids)+more)
	for _, id := range ids {
		if id != v.ImageTokenID {
			placed = append(placed, id)
			continue
		}
		for range pictures[0].Tokens() {
			placed = append(placed, id)
		}
		pictures = pictures[1:]
	}
	return placed, nil
}
