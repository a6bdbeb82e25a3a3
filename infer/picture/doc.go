// Package picture turns the bytes of a picture into what a vision tower sees.
//
// [Decode] reads PNG, JPEG, WebP and GIF from strangers: the type is that of the
// bytes, whatever they were said to be, and everything that costs memory is known
// from the header and within [Limits] before anything is decoded.
//
// A [Processor] is what a model's folder says about pictures. Its Prepare cuts,
// resizes and normalises as transformers' processors do (those that use Pillow),
// and says which features of which tile stand in which place of the prompt.
//
// Given the same pixels, all values are the same ones to the last bit: resizing
// computes in Pillow's fixed-point numbers. The pixels of PNG, GIF and WebP are those
// that Pillow sees. JPEG leaves it to decoders how to round: with colours interpolated
// and converted as libjpeg does it, some two levels in a hundred differ by one, and
// hardly any by two. On purpose, alpha is laid on white, where transformers drops
// it, and 16 bits become 8 by their upper half.
//
// transformers' processors that use torchvision, which it prefers, resize otherwise:
// where one level is 0.015, values of the fixtures, which are full of hard edges,
// differ by up to 0.4 (scripts/fixtures/pictures.py prints it).
package picture
