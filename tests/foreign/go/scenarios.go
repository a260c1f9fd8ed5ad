package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/microsoft/durabletask-go/api"
	"github.com/microsoft/durabletask-go/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// world is what a scenario works with.
type world struct {
	ctx     context.Context
	client  *client.TaskHubGrpcClient
	address string
	name    string
}

// scenarios are those of catalogue.py that the Go SDK offers.
var scenarios = map[string]func(*world){
	"chain": func(w *world) {
		w.expect("chain", 1, "4")
	},
	"payloads": func(w *world) {
		values := []any{"", 0.0, false, []any{}, map[string]any{}, "Grüße, 世界 🌍",
			map[string]any{"nested": []any{1.0, nil, "x"}}, strings.Repeat("x", 200_000)}
		var answers []any
		check(json.Unmarshal([]byte(w.output(w.client, "payloads", values)), &answers))
		if !reflect.DeepEqual(answers, values) {
			panic("a payload was changed on its way")
		}
	},
	"fan-out": func(w *world) {
		squares := make([]int, 100)
		for index := range squares {
			squares[index] = index * index
		}
		expected, err := json.Marshal(squares)
		check(err)
		w.expect("fanOut", 100, string(expected))
	},
	"timer": func(w *world) {
		var milliseconds int
		check(json.Unmarshal([]byte(w.output(w.client, "timer", nil)), &milliseconds))
		if milliseconds < 1000 {
			panic(fmt.Sprintf("the orchestration's clock moved by %d ms only", milliseconds))
		}
	},
	"external-event": func(w *world) {
		id := w.start(w.client, "oneEvent", "Approval")
		w.untilStatus(id, api.RUNTIME_STATUS_RUNNING)
		check(w.client.RaiseEvent(w.ctx, id, "Approval", api.WithEventPayload(map[string]any{"by": "Ada"})))
		equal(w.completed(w.client, id), `{"by":"Ada"}`)
	},
	"early-events": func(w *world) {
		id := w.start(w.client, "eventsAfterGate", nil)
		for item := 1; item <= 3; item++ {
			check(w.client.RaiseEvent(w.ctx, id, "item", api.WithEventPayload(item)))
		}
		check(w.client.RaiseEvent(w.ctx, id, "gate"))
		equal(w.completed(w.client, id), "[1,2,3]")
	},
	"event-timeout": func(w *world) {
		id := w.start(w.client, "eventTimeout", nil)
		check(w.client.RaiseEvent(w.ctx, id, "go", api.WithEventPayload("in time")))
		equal(w.completed(w.client, id), `"in time"`)
	},
	"activity-failure": func(w *world) {
		w.expect("catches", nil, `"task failed with an error: out of range"`)
		state := w.ended(w.client, w.start(w.client, "activityFails", nil))
		equal(state.RuntimeStatus, api.RUNTIME_STATUS_FAILED)
	},
	"activity-retry": func(w *world) {
		w.expect("retries", w.unique("retry"), "3")
	},
	"retry-handler": func(w *world) {
		w.expect("retryHandler", w.unique("handler"), "3")
	},
	"unknown-activity": func(w *world) {
		contains(w.output(w.client, "unknownActivity", nil), "nobodyHasThis")
	},
	"sub-orchestration": func(w *world) {
		child := w.unique("child")
		w.expect("parent", child, "13")
		equal(w.completed(w.client, api.InstanceID(child)), "13")
	},
	"sub-orchestration-failure": func(w *world) {
		contains(w.output(w.client, "parentOfFailure", nil), "out of range")
	},
	"sub-orchestration-retry": func(w *world) {
		w.expect("parentRetries", w.unique("child-retry"), "3")
	},
	"continue-as-new": func(w *world) {
		id := w.start(w.client, "countUp", 0)
		equal(w.completed(w.client, id), "5")
		equal(w.state(w.client, id).SerializedInput, "4")
	},
	"carry-over": func(w *world) {
		id := w.start(w.client, "collect", []string{})
		for _, item := range []string{"a", "b", "c"} {
			check(w.client.RaiseEvent(w.ctx, id, "item", api.WithEventPayload(item)))
		}
		equal(w.completed(w.client, id), `["a","b","c"]`)
	},
	"custom-status": func(w *world) {
		id := w.start(w.client, "status", nil)
		w.until("the status is waiting", func() bool {
			return w.state(w.client, id).SerializedCustomStatus == "waiting"
		})
		check(w.client.RaiseEvent(w.ctx, id, "go"))
		w.completed(w.client, id)
		equal(w.state(w.client, id).SerializedCustomStatus, "done")
	},
	"suspend-resume": func(w *world) {
		id := w.start(w.client, "oneEvent", "go")
		w.untilStatus(id, api.RUNTIME_STATUS_RUNNING)
		check(w.client.SuspendOrchestration(w.ctx, id, "a pause"))
		w.untilStatus(id, api.RUNTIME_STATUS_SUSPENDED)
		check(w.client.RaiseEvent(w.ctx, id, "go", api.WithEventPayload("kept")))
		w.expect("chain", 1, "4") // time enough for the event to be handled, were it not held
		equal(w.state(w.client, id).RuntimeStatus, api.RUNTIME_STATUS_SUSPENDED)
		check(w.client.ResumeOrchestration(w.ctx, id, "go on"))
		equal(w.completed(w.client, id), `"kept"`)
	},
	"terminate": func(w *world) {
		id := w.start(w.client, "oneEvent", "never")
		w.untilStatus(id, api.RUNTIME_STATUS_RUNNING)
		check(w.client.TerminateOrchestration(w.ctx, id, api.WithOutput("enough")))
		state := w.ended(w.client, id)
		equal(state.RuntimeStatus, api.RUNTIME_STATUS_TERMINATED)
		equal(state.SerializedOutput, `"enough"`)
	},
	"terminate-children": func(w *world) {
		child := api.InstanceID(w.unique("child"))
		parent := w.start(w.client, "parentWaits", string(child))
		w.untilStatus(child, api.RUNTIME_STATUS_RUNNING)
		check(w.client.TerminateOrchestration(w.ctx, parent, api.WithRecursiveTerminate(true)))
		equal(w.ended(w.client, parent).RuntimeStatus, api.RUNTIME_STATUS_TERMINATED)
		equal(w.ended(w.client, child).RuntimeStatus, api.RUNTIME_STATUS_TERMINATED)
	},
	"duplicate-id": func(w *world) {
		id := w.start(w.client, "oneEvent", "never")
		_, err := w.client.ScheduleNewOrchestration(w.ctx, "chain", api.WithInstanceID(id), api.WithInput(1))
		equal(status.Code(errors.Unwrap(err)), codes.AlreadyExists)
		check(w.client.TerminateOrchestration(w.ctx, id))
	},
	"missing-instance": func(w *world) {
		_, err := w.client.FetchOrchestrationMetadata(w.ctx, api.InstanceID(w.unique("missing")))
		equal(err, api.ErrInstanceNotFound)
	},
	"scheduled-start": func(w *world) {
		at := time.Now().Add(1500 * time.Millisecond)
		id, err := w.client.ScheduleNewOrchestration(w.ctx, "startsAt", api.WithStartTime(at))
		check(err)
		equal(w.state(w.client, id).RuntimeStatus, api.RUNTIME_STATUS_PENDING)
		var ran int64
		check(json.Unmarshal([]byte(w.completed(w.client, id)), &ran))
		if ran < at.UnixMilli() {
			panic(fmt.Sprintf("it ran %d ms too early", at.UnixMilli()-ran))
		}
	},
	"purge": func(w *world) {
		id := w.start(w.client, "chain", 1)
		w.completed(w.client, id)
		check(w.client.PurgeOrchestrationState(w.ctx, id))
		_, err := w.client.FetchOrchestrationMetadata(w.ctx, id)
		equal(err, api.ErrInstanceNotFound)
		equal(w.client.PurgeOrchestrationState(w.ctx, id), api.ErrInstanceNotFound)
	},
	"two-hubs": func(w *world) {
		other, stop := w.session("other")
		defer stop()
		id := api.InstanceID(w.unique("same-id"))
		for hub, input := range map[*client.TaskHubGrpcClient]int{w.client: 1, other: 100} {
			_, err := hub.ScheduleNewOrchestration(w.ctx, "chain", api.WithInstanceID(id), api.WithInput(input))
			check(err)
		}
		equal(w.completed(w.client, id), "4")
		equal(w.completed(other, id), "103")
	},
	"worker-restart": func(w *world) {
		hub, stop := w.session("worker-restart")
		id := w.start(hub, "twoHalves", nil)
		w.until("the first half is over", func() bool {
			return w.state(hub, id).SerializedCustomStatus == "half way"
		})
		stop()
		check(hub.RaiseEvent(w.ctx, id, "go"))
		again, stop := w.session("worker-restart")
		defer stop()
		equal(w.completed(again, id), "3")
	},
}

var given atomic.Int64

func (w *world) unique(word string) string {
	return fmt.Sprintf("%s-%d-%d", word, os.Getpid(), given.Add(1))
}

// session returns a client of another task hub, and what stops the worker that serves it.
func (w *world) session(hub string) (*client.TaskHubGrpcClient, func()) {
	other, err := connect(w.address, hub)
	check(err)
	ctx, stop := context.WithCancel(w.ctx)
	check(other.StartWorkItemListener(ctx, registry()))
	return other, stop
}

func (w *world) start(hub *client.TaskHubGrpcClient, name string, input any) api.InstanceID {
	id, err := hub.ScheduleNewOrchestration(w.ctx, name, api.WithInput(input))
	check(err)
	return id
}

func (w *world) state(hub *client.TaskHubGrpcClient, id api.InstanceID) *api.OrchestrationMetadata {
	state, err := hub.FetchOrchestrationMetadata(w.ctx, id)
	check(err)
	return state
}

func (w *world) ended(hub *client.TaskHubGrpcClient, id api.InstanceID) *api.OrchestrationMetadata {
	state, err := hub.WaitForOrchestrationCompletion(w.ctx, id)
	check(err)
	return state
}

func (w *world) completed(hub *client.TaskHubGrpcClient, id api.InstanceID) string {
	state := w.ended(hub, id)
	equal(state.RuntimeStatus, api.RUNTIME_STATUS_COMPLETED)
	return state.SerializedOutput
}

func (w *world) output(hub *client.TaskHubGrpcClient, name string, input any) string {
	return w.completed(hub, w.start(hub, name, input))
}

func (w *world) expect(name string, input any, output string) {
	equal(w.output(w.client, name, input), output)
}

func (w *world) until(what string, holds func() bool) {
	for !holds() {
		if w.ctx.Err() != nil {
			panic("time passed without: " + what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) untilStatus(id api.InstanceID, wanted api.OrchestrationStatus) {
	w.until(fmt.Sprintf("%s is %v", id, wanted), func() bool {
		state, err := w.client.FetchOrchestrationMetadata(w.ctx, id)
		return err == nil && state.RuntimeStatus == wanted
	})
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T comparable](actual, expected T) {
	if actual != expected {
		panic(fmt.Sprintf("expected %v, got %v", expected, actual))
	}
}

func contains(text, part string) {
	if !strings.Contains(text, part) {
		panic(fmt.Sprintf("expected a text with %q, got %q", part, text))
	}
}
