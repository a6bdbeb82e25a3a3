package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A search runs on one replica. When that one is killed the other continues it,
// and it finds what it would have found.
func TestASearchMovesToTheOtherReplica(t *testing.T) {
	r := startReplicas(t)
	victim, survivor := r.all[0], r.all[1]
	spec := object{
		"name": "moved", "task": "ja-math", "base": base, "sources": sources,
		"method": "task_arithmetic", "trials": 24, "population": 4, "sample_size": 8,
		"seed": 11, "validate_top": 2, "alias": "winner",
	}
	id := victim.call("POST", "/v1/searches", spec).text("id")
	survivor.wait("two generations", searchTime, func() bool { return len(survivor.trials(id)) >= 8 })
	before := survivor.trials(id)
	require.Less(t, len(before), 24, "the search ended before its replica could be killed")
	require.NotEmpty(t, survivor.call("GET", "/v1/searches/"+id, nil).object("progress").number("trials"))
	victim.kill()
	survivor.awaitSearch(id)
	after := survivor.trials(id)
	require.Len(t, after, 24)
	require.Equal(t, asJSON(t, before), asJSON(t, after[:len(before)]), "trials changed")
	require.NotEmpty(t, survivor.ask("winner", "3+4"))

	again := start(t, r.options())
	spec["name"], spec["alias"] = "undisturbed", "undisturbed-winner"
	twin := again.call("POST", "/v1/searches", spec).text("id")
	survivor.awaitSearch(twin)
	require.Equal(t, genomes(t, survivor.trials(twin)), genomes(t, after))
	require.NotEmpty(t, again.ask("winner", "3+4"), "the winner is everywhere")

	// The replica that runs one hears that it is to be cancelled.
	spec["name"], spec["trials"] = "cancelled", 5000
	last := survivor.call("POST", "/v1/searches", spec).text("id")
	again.wait("a trial", searchTime, func() bool { return len(again.trials(last)) > 0 })
	require.Equal(t, "cancelled", again.call("POST", "/v1/searches/"+last+"/cancel", nil).text("state"))
	survivor.wait("the end", requestTime, func() bool {
		return survivor.call("GET", "/v1/searches/"+last, nil).text("state") == "cancelled"
	})
}
