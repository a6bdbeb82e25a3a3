package infer

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// requireAnswered checks a whole reply to a prompt that may have pictures.
func (b *bench) requireAnswered(all ...*asked) {
	b.t.Helper()
	for i, a := range all {
		require.NoError(b.t, cmp.Or(a.refused, a.last.Err), "request %d", i)
		n := a.r.Sampling.MaxTokens
		require.Equal(b.t, b.expected(a.m.Weights, shown(a.m, a.r), n), a.text, "request %d", i)
	}
}

// idle requires that nothing holds any features.
func (b *bench) idle() {
	b.t.Helper()
	b.turn()
	var bytes int64
	for _, f := range b.gallery.all {
		require.Zero(b.t, f.users)
		require.True(b.t, f.whole())
		bytes += f.bytes
	}
	require.Equal(b.t, bytes, b.Stats().PictureBytes)
}

// As TestEveryReplyIsTheOneThatItsPromptGetsAlone, with pictures.
func TestEveryReplyAboutPicturesIsTheOneThatItsPromptGetsAlone(t *testing.T) {
	for seed := range 60 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			memory := int64(1) << 40
			if seed%3 > 0 {
				memory = 12_000 + r.Int64N(60_000)
			}
			b := newBench(t, memory, Options{
				Slots: 1 + r.IntN(40), BackgroundRows: 1 + r.IntN(40), QueueLimit: 1000,
				ChunkTokens: 8 << r.IntN(6), GreedySteps: 1 << r.IntN(4), GrowColumns: 1 + r.IntN(64),
				PrefixBytes: 4000, PictureBytes: r.Int64N(3000),
			})
			b.device.single = seed%2 == 1
			visions := []*Vision{fakeVision("one"), fakeVision("other")}
			var models []*Model
			for i := range 1 + r.IntN(3) {
				models = append(models, b.sees(b.model(fmt.Sprint(i), fakeWeights(int64(100+i), 2048)), visions[i%2]))
			}
			pictures := make([]*picture.Prepared, 5)
			for i := range pictures {
				pictures[i] = fakePicture(i, 1+r.IntN(9))
			}
			var all []*asked
			for i := range 80 {
				parts := []any{textFrom(r.IntN(3), r.IntN(60))}
				for range r.IntN(3) {
					parts = append(parts, pictures[r.IntN(len(pictures))], textFrom(100+r.IntN(3), r.IntN(60)))
				}
				parts = append(parts, textFrom(1000+i, r.IntN(10)))
				request := showing(1+r.IntN(60), parts...)
				if len(request.Prompt) == 0 {
					request.Prompt = []int32{7}
				}
				request.Background = r.IntN(2) == 0
				switch r.IntN(8) {
				case 0:
					request.Sampling.Logprobs = true // by way of the host
				case 1:
					request.PromptLogprobs = true
				}
				all = append(all, b.ask(models[r.IntN(len(models))], request))
				for range r.IntN(6) {
					b.turn()
				}
				if r.IntN(10) == 0 {
					all[r.IntN(len(all))].cancel()
				}
			}
			b.run(all...)
			answered := 0
			for _, a := range all {
				code := fault.CodeOf(cmp.Or(a.refused, a.last.Err))
				if code == fault.Cancelled || code == fault.OutOfMemory && memory < 1<<40 {
					continue
				}
				answered++
				b.requireAnswered(a)
				if a.r.PromptLogprobs {
					requireScored(t, a)
				}
			}
			require.Greater(t, answered, 30)
			b.idle()
		})
	}
}

func TestAPictureIsSeenOnce(t *testing.T) {
	pictures := make([]*picture.Prepared, 4)
	tiles := 0
	for i := range pictures {
		pictures[i] = fakePicture(i, 1+2*i)
		tiles += 1 + 2*i
	}
	for _, background := range []bool{false, true} {
		t.Run(fmt.Sprint("background=", background), func(t *testing.T) {
			b := newBench(t, 1<<40, Options{Slots: 64, BackgroundRows: 256, QueueLimit: 1000, PrefixBytes: -1})
			v := fakeVision("shared")
			one, other := b.sees(b.model("one", fakeWeights(1, 2048)), v), b.sees(b.model("other", fakeWeights(2, 2048)), v)
			var all []*asked
			for i := range 200 {
				r := showing(5, textFrom(1, 8), pictures[i%len(pictures)], textFrom(100+i, 5+i%20))
				r.Background = background
				all = append(all, b.ask([]*Model{one, other}[i/4%2], r))
			}
			b.run(all...)
			b.requireAnswered(all...)
			require.Len(t, b.device.sights, tiles)
			s := b.Stats()
			require.EqualValues(t, len(pictures), s.PicturesSeen)
			require.EqualValues(t, tiles, s.TilesSeen)
			require.Positive(t, s.PictureHits)
			b.idle()
		})
	}
}

// A picture that takes many turns is seen by whoever needs it, and by none twice.
func TestAPictureThatTwoWaitForIsSeenTogether(t *testing.T) {
	b := newBench(t, 1<<40, Options{})
	v, shared := slowVision("slow"), fakePicture(1, 12)
	one, other := b.sees(b.model("one", fakeWeights(1, 2048)), v), b.sees(b.model("other", fakeWeights(2, 2048)), v)
	first := b.ask(one, showing(5, textFrom(1, 5), shared, textFrom(2, 5)))
	b.turn()
	require.Len(t, b.device.sights, 1)
	second := b.ask(other, showing(5, shared, textFrom(3, 5)))
	b.turn()
	require.Len(t, b.device.sights, 3, "each of them had a turn")
	first.cancel()
	b.turn()
	require.Len(t, b.device.sights, 4, "what one has seen is there for the other")
	b.run(first, second)
	require.Equal(t, fault.Cancelled, fault.CodeOf(first.last.Err))
	b.requireAnswered(second)
	require.Len(t, b.device.sights, 12)
	b.idle()

	alone := b.ask(one, showing(5, fakePicture(2, 12)))
	b.turn()
	alone.cancel()
	b.turn()
	require.True(t, alone.read().ended)
	require.Len(t, b.device.sights, 13, "nobody sees on for a reader who has gone")
	b.idle()
}

// slowVision is a vision part of which a tile is all the work of a unit.
func slowVision(id string) *Vision {
	v := fakeVision(id)
	v.config.NumHiddenLayers, v.config.HiddenSize, v.config.IntermediateSize = 1, 1<<5, seeWork>>5
	return v
}

func TestTextWaitsForNoPicture(t *testing.T) {
	const reply = 40
	// turnsOf gives the turns and the device time between tokens of a user who reads
	// text, beside so many users with pictures.
	turnsOf := func(t *testing.T, beside int, background bool) (turns int, longest int64) {
		b := newBench(t, 1<<40, Options{ChunkTokens: 64, BackgroundRows: 8})
		m := b.sees(b.model("m", fakeWeights(1, 4096)), slowVision("slow"))
		for i := range beside {
			r := showing(50, textFrom(i, 10), fakePicture(i, 40), textFrom(i, 300))
			r.Background = background
			b.ask(m, r)
		}
		for range 5 {
			b.turn()
		}
		user := b.ask(m, plain(textFrom(100, 60), reply))
		for before := b.device.clock; !user.read().ended; before = b.device.clock {
			b.turn()
			turns++
			longest = max(longest, int64(b.device.clock.Sub(before)))
		}
		b.requireAnswered(user)
		return turns, longest
	}
	alone, _ := turnsOf(t, 0, false)
	for _, background := range []bool{false, true} {
		for _, beside := range []int{1, 4, 20} {
			turns, longest := turnsOf(t, beside, background)
			require.LessOrEqual(t, turns, alone+1, "beside %d with pictures, background %v: a turn in four is for the oldest prompt", beside, background)
			require.LessOrEqual(t, longest, int64(64+64+32), "a chunk, a step, and a search's unit")
		}
	}
}

// A tile that takes as long as five chunks is followed by five steps of those who read.
func TestSeeingTakesAsMuchOfTheTimeAsAPromptOfText(t *testing.T) {
	v := slowVision("slow")
	for _, c := range []struct {
		name   string
		chunks int // that a tile is worth
		steps  int // between two tiles
	}{{"a large decoder", 0, 1}, {"as much as a chunk", 1, 1}, {"a small decoder", 5, 5}, {"a tiny decoder", 1000, maxRest}} {
		t.Run(c.name, func(t *testing.T) {
			const chunk = 64
			bytes := int64(tileWork(v)) * 4 / chunk / int64(max(1, c.chunks))
			if c.chunks == 0 {
				bytes *= 10
			}
			b := newBench(t, 1<<50, Options{ChunkTokens: chunk})
			m := b.sees(b.model("m", fakeWeights(bytes+4, 4096)), v)
			reading := b.ask(m, plain(textFrom(1, 20), 400))
			b.turn()
			picture := b.ask(m, showing(5, fakePicture(1, 6), textFrom(2, 20)))
			var at []int // tokens that the reader had when a tile was seen
			for len(at) < 6 {
				b.turn()
				reading.read()
				if len(b.device.sights) > len(at) {
					at = append(at, reading.last.Tokens)
				}
			}
			for i := range at[1:] {
				require.Equal(t, c.steps, at[i+1]-at[i])
			}
			b.run(picture, reading)
			b.requireAnswered(picture, reading)
		})
	}
}

func TestTextIsComputedAsItIsWithoutPictures(t *testing.T) {
	for _, c := range []struct {
		background bool
		seeing     int // columns computed with pictures among them
	}{{false, 16}, {true, 96}} {
		b := newBench(t, 1<<40, Options{ChunkTokens: 32})
		m := b.sees(b.model("m", fakeWeights(1, 4096)), fakeVision("v"))
		var all []*asked
		for i := range 12 {
			r := plain(textFrom(i, 50), 5)
			if i%3 == 0 {
				r = showing(5, textFrom(i, 40), fakePicture(1, 1), textFrom(i, 40))
			}
			r.Background = c.background
			all = append(all, b.ask(m, r))
		}
		b.run(all...)
		b.requireAnswered(all...)
		seeing, text := 0, 0
		for _, p := range b.device.passes {
			switch {
			case p.seeing:
				require.False(t, p.decode)
				seeing += p.n
			case !p.decode:
				text += p.n
			}
		}
		require.Positive(t, text)
		require.Equal(t, c.seeing, seeing, "chunks that the picture isn't in are text, and so are the steps")
	}
}

func TestAConversationAboutAPictureGoesOn(t *testing.T) {
	b := newBench(t, 1<<40, Options{PictureBytes: -1})
	m := b.sees(b.model("m", fakeWeights(1, 4096)), fakeVision("v"))
	shown, like := fakePicture(1, 10), fakePicture(2, 10)
	like.Order = shown.Order // of the same size and shape
	beginning, question := textFrom(1, 50), textFrom(2, 20)
	ask := func(m *Model, p *picture.Prepared) *asked {
		a := b.ask(m, showing(40, beginning, p, question))
		b.run(a)
		b.requireAnswered(a)
		return a
	}
	first := ask(m, shown)
	require.Zero(t, first.last.Cached)
	require.Len(t, b.device.sights, 10)

	again := ask(m, shown)
	require.GreaterOrEqual(t, again.last.Cached, len(first.r.Prompt)-16)
	require.Len(t, b.device.sights, 10, "its keys and values are there")

	next := first.r
	next.Prompt = append(slices.Clone(first.r.Prompt), textFrom(3, 30)...)
	turn := b.ask(m, next)
	b.run(turn)
	b.requireAnswered(turn)
	require.GreaterOrEqual(t, turn.last.Cached, len(first.r.Prompt)-16)
	require.Len(t, b.device.sights, 10)

	other := ask(m, like)
	require.LessOrEqual(t, other.last.Cached, len(beginning), "another picture is another beginning")
	require.Len(t, b.device.sights, 20)

	elsewhere := b.sees(b.model("m", m.Weights), fakeVision("w"))
	require.LessOrEqual(t, ask(elsewhere, shown).last.Cached, len(beginning), "and so is the same one, seen otherwise")
	require.Len(t, b.device.sights, 30)
	b.idle()
	require.Zero(t, b.Stats().PictureBytes, "nothing is kept")
}

func TestRepliesToOnePromptSeeItOnce(t *testing.T) {
	b := newBench(t, 1<<40, Options{PrefixBytes: -1, PictureBytes: -1})
	m := b.sees(b.model("m", fakeWeights(1, 4096)), slowVision("v"))
	r := showing(10, textFrom(1, 5), fakePicture(1, 20), textFrom(2, 9))
	all := make([]*asked, 6)
	for i := range all {
		all[i] = b.ask(m, r)
	}
	b.run(all...)
	b.requireAnswered(all...)
	require.Len(t, b.device.sights, 20)
}

func TestABeamSearchSeesPictures(t *testing.T) {
	b := newBench(t, 1<<40, Options{})
	m := b.sees(b.model("m", fakeWeights(1, 4096)), fakeVision("v"))
	r := showing(6, textFrom(1, 5), fakePicture(1, 3), textFrom(2, 9), fakePicture(2, 2))
	r.Sampling.RepetitionPenalty = 1.2
	var found []Result
	e := &embedded{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		found, e.err = b.Beam(t.Context(), m, r, BeamOptions{Width: 3})
	}()
	b.turns(e, func(Stats) {})
	require.NoError(t, e.err)
	require.Equal(t, b.expected(m.Weights, shown(m, r), 6), found[0].Text)
	require.Len(t, b.device.sights, 5)
}

func TestFeaturesInUseStay(t *testing.T) {
	const each = 5 * 4 * glimpseWidth * 4
	b := newBench(t, 1<<40, Options{PrefixBytes: -1, PictureBytes: each})
	v := slowVision("v")
	var all []*asked
	for i := range 3 {
		m := b.sees(b.model("m", fakeWeights(int64(1+i), 4096)), v)
		for j := range 3 {
			all = append(all, b.ask(m, showing(5, fakePicture(10*i+j, 5), textFrom(i, 9))))
		}
	}
	b.turn()
	b.turn()
	require.EqualValues(t, 3*each, b.Stats().PictureBytes, "more than may be kept, for each model has begun with one")
	require.False(t, b.gallery.makeRoom(), "all are needed")
	b.run(all...)
	b.requireAnswered(all...)
	require.Len(t, b.device.sights, 9*5)
	b.idle()
	require.EqualValues(t, each, b.Stats().PictureBytes)
}

func TestThePicturesAskedAboutLastAreKept(t *testing.T) {
	b := newBench(t, 1<<40, Options{PrefixBytes: -1, PictureBytes: 2 * 5 * 4 * glimpseWidth * 4})
	m := b.sees(b.model("m", fakeWeights(1, 4096)), fakeVision("v"))
	for i, c := range []struct{ picture, tiles int }{
		{0, 5}, {1, 10}, {0, 10}, {2, 15}, {0, 15}, {1, 20}, {2, 25},
	} {
		a := b.ask(m, showing(5, fakePicture(c.picture, 5), textFrom(i, 9)))
		b.run(a)
		b.requireAnswered(a)
		require.Len(t, b.device.sights, c.tiles, "request %d", i)
	}
	require.EqualValues(t, 2, b.Stats().PictureHits)
	b.idle()
}

func TestFeaturesMakeRoomForCaches(t *testing.T) {
	b := newBench(t, 9000, Options{PrefixBytes: -1})
	b.device.single = true
	m := b.sees(b.model("m", fakeWeights(1, 100_000)), fakeVision("v"))
	seen := b.ask(m, showing(5, fakePicture(1, 60)))
	b.run(seen)
	b.requireAnswered(seen)
	require.EqualValues(t, 60*4*glimpseWidth*4, b.Stats().PictureBytes)
	long := b.ask(m, plain(textFrom(1, 3500), 5))
	b.run(long)
	b.requireAnswered(long)
	require.Zero(t, b.Stats().PictureBytes)

	large := fakeVision("large")
	large.bytes = 8000
	tooMuch := b.ask(b.sees(b.model("large", fakeWeights(2, 100_000)), large), showing(5, fakePicture(1, 60)))
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(tooMuch.refused))
}

// A search over large models computes the places of a picture once for all that is
// asked about it; one over small models rather computes many rows together.
func TestASearchIsGroupedByPicturesIfThatPays(t *testing.T) {
	for _, c := range []struct {
		name       string
		parameters int64
		groups     int
	}{{"small", 1 << 16, 1}, {"large", 1 << 30, 3}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, 1<<40, Options{BackgroundRows: 100})
			m := b.sees(b.model("m", fakeWeights(c.parameters*4, 4096)), fakeVision("v"))
			var all []*asked
			for i := range 60 {
				r := showing(5, fakePicture(i%3, 8), textFrom(100+i, 10))
				r.Background = true
				all = append(all, b.ask(m, r))
			}
			b.turn()
			require.Len(t, b.searchBatches[0].prefills, c.groups)
			b.run(all...)
			b.requireAnswered(all...)
		})
	}
}

// What the features of one group take is bounded by what may be kept.
func TestAGroupHasNoMoreFeaturesThanMayBeKept(t *testing.T) {
	b := newBench(t, 1<<40, Options{BackgroundRows: 100, PictureBytes: 3 * 8 * 4 * glimpseWidth * 4})
	m := b.sees(b.model("m", fakeWeights(1, 4096)), fakeVision("v"))
	var all []*asked
	for i := range 20 {
		r := showing(5, fakePicture(i, 8), textFrom(100+i, 10))
		r.Background = true
		all = append(all, b.ask(m, r))
	}
	b.turn()
	for _, p := range b.searchBatches[0].prefills {
		require.Len(t, p.rows, 3)
	}
	b.run(all...)
	b.requireAnswered(all...)
}

func TestPicturesAreRefused(t *testing.T) {
	b := newBench(t, 1<<40, Options{RequestTiles: 10})
	text := b.model("text", fakeWeights(1, 4096))
	m := b.sees(b.model("m", fakeWeights(2, 4096)), fakeVision("v"))
	p := fakePicture(1, 2)
	short, more, foreign, outside := showing(5, p), showing(5, p), showing(5, p), showing(5, p)
	short.Prompt = short.Prompt[1:]
	more.Prompt = append(more.Prompt, 5, fakeImage)
	foreign.Pictures = []*picture.Prepared{{Tiles: [][]float32{{1, 2, 3}}, Order: p.Order}}
	outside.Pictures = []*picture.Prepared{{Tiles: p.Tiles[:1], Order: p.Order}}
	interrupted := showing(5, p)
	interrupted.Prompt[3] = 1
	for _, c := range []struct {
		name, message string
		m             *Model
		r             Request
	}{
		{"a model without a vision part", "reads text alone", text, showing(5, p)},
		{"no place", "0 of the 1 pictures", m, Request{Prompt: []int32{1, 2}, Pictures: []*picture.Prepared{p}}},
		{"too few places", fmt.Sprintf("takes %d places of the prompt, and it has %d", p.Tokens(), p.Tokens()-1), m, short},
		{"a token in the middle", "and it has 3", m, interrupted},
		{"a place too many", "more than the 1 pictures", m, more},
		{"too many tiles", "11 tiles: those of one request may have 10", m, showing(5, fakePicture(1, 6), fakePicture(2, 5))},
		{"tiles of another size", "tiles are 2 by 2", m, foreign},
		{"places in no tile", "in none of its tiles", m, outside},
		{"nothing", "nothing to be seen", m, Request{Prompt: []int32{1}, Pictures: []*picture.Prepared{nil}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.Stream(t.Context(), c.m, c.r)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, fault.Invalid, f.Code)
			require.Equal(t, "messages", f.Param)
			require.ErrorContains(t, err, c.message)
		})
	}
	square := fakeVision("square")
	square.config.ModelType = "llava"
	require.ErrorContains(t, b.ask(b.sees(b.model("s", m.Weights), square), showing(5, p)).refused, "place -1", "it has no newlines")

	wide := fakeVision("wide")
	wide.width++
	require.Equal(t, fault.Unfit, fault.CodeOf(b.ask(b.sees(b.model("w", m.Weights), wide), showing(5, p)).refused))

	plainly := b.ask(m, plain([]int32{1, fakeImage, fakeImage, 2}, 5))
	b.run(plainly)
	b.requireAnswered(plainly) // without pictures it is a token like others
}

// A plain language model that was given a vision part has no image token of its own.
func TestTheImageTokenNeedNotBeInTheVocabulary(t *testing.T) {
	b := newBench(t, 1<<40, Options{})
	v := fakeVision("v")
	v.config.ImageTokenID = fakeVocab + 500
	m := b.sees(b.model("m", fakeWeights(1, 4096)), v)
	r := showing(8, textFrom(1, 9), fakePicture(1, 2), textFrom(2, 9))
	inside := r
	for i, id := range r.Prompt {
		if id == fakeImage {
			r.Prompt[i] = v.config.ImageTokenID
		}
	}
	r.Sampling.RepetitionPenalty, r.PromptLogprobs = 1.1, true
	a := b.ask(m, r)
	b.run(a)
	inside.Prompt = slices.Clone(r.Prompt)
	for i, id := range inside.Prompt {
		if id == v.config.ImageTokenID {
			inside.Prompt[i] = fakeImage
		}
	}
	require.NoError(t, cmp.Or(a.refused, a.last.Err))
	require.Equal(t, b.expected(m.Weights, shown(m, inside), 8), a.text)
	for i, p := range a.prompt {
		require.Equal(t, i > 0 && r.Prompt[i] < fakeVocab, p.Known, "place %d", i)
	}
	r.Pictures = nil
	_, err := b.Stream(context.Background(), m, r)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestOnlyTheSamePictureStandsForItself(t *testing.T) {
	p, q := fakePicture(1, 9), fakePicture(2, 9)
	q.Order = p.Order
	stands := func(vision string, p *picture.Prepared) []int32 {
		tokens := make([]int32, p.Tokens()+5)
		stand(tokens, []view{{pictureKey{vision, p.Hash}, p, 5}})
		require.Equal(t, make([]int32, 5), tokens[:5])
		return tokens[5:]
	}
	one := stands("v", p)
	require.Equal(t, one, stands("v", p))
	for _, other := range [][]int32{stands("v", q), stands("w", p)} {
		for i := range one {
			require.Negative(t, one[i])
			require.NotEqual(t, one[i], other[i])
		}
	}
	slices.Sort(one)
	require.Len(t, slices.Compact(one), p.Tokens(), "each place has a number of its own")
}

func TestPlacePictures(t *testing.T) {
	v := checkpoint.VisionConfig{ImageTokenID: 9}
	one, two := fakePicture(1, 1), fakePicture(2, 2)
	run := func(p *picture.Prepared) []int32 { return slices.Repeat([]int32{9}, p.Tokens()) }
	for _, c := range []struct {
		name     string
		ids      []int32
		pictures []*picture.Prepared
		want     []int32
	}{
		{"no pictures", []int32{1, 9, 2}, nil, []int32{1, 9, 2}},
		{"one", []int32{1, 9, 2}, []*picture.Prepared{one}, slices.Concat([]int32{1}, run(one), []int32{2})},
		{"two beside each other", []int32{9, 9}, []*picture.Prepared{two, one}, slices.Concat(run(two), run(one))},
	} {
		got, err := PlacePictures(c.ids, v, c.pictures)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	for _, ids := range [][]int32{{1, 2}, {9, 9, 9}} {
		_, err := PlacePictures(ids, v, []*picture.Prepared{one, two})
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
		require.ErrorContains(t, err, "there are 2")
	}
}
