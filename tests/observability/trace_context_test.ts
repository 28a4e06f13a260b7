/** Traces in messages, kinds of errors, and what is told of settlings that were refused. @module */

import { assert, assertEquals } from "@std/assert";
import { createTraceState } from "@opentelemetry/api";
import { MemoryBackend } from "../../backends/memory.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { recordHold } from "../../src/observability/primitive_telemetry.ts";
import { toSpanContext, toTraceContext } from "../../src/observability/remote_span.ts";
import { errorTypeOf } from "../../src/observability/telemetry.ts";
import { recording } from "./recorder.ts";

const SPAN = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("toTraceContext() writes a span's context with its state, and nothing where there is no valid span", () => {
  assertEquals(toTraceContext(SPAN), { traceparent: TRACEPARENT });
  const traceState = createTraceState("vendor=1");
  assertEquals(toTraceContext({ ...SPAN, traceState }), { traceparent: TRACEPARENT, tracestate: "vendor=1" });
  assertEquals(toTraceContext({ ...SPAN, traceState: createTraceState("") }), { traceparent: TRACEPARENT });
  assertEquals([toTraceContext(undefined), toTraceContext({ ...SPAN, traceId: "0".repeat(32) })], [
    undefined,
    undefined,
  ]);
});

Deno.test("toSpanContext() reads what toTraceContext() wrote, and nothing that is none", () => {
  assertEquals(toSpanContext(toTraceContext(SPAN)), { ...SPAN, isRemote: true });
  for (const traceparent of ["", "00-x", `ff${TRACEPARENT.slice(2)}`, `00-${"0".repeat(32)}-b7ad6b7169203331-01`]) {
    assertEquals(toSpanContext({ traceparent }), undefined);
  }
  assertEquals(toSpanContext(undefined), undefined);
});

Deno.test("errorTypeOf() gives a code, a name, or the word for anything else", () => {
  const coded = Object.assign(new Error("x"), { code: "E_CODE" });
  assertEquals([coded, new RangeError("x"), "queue_full", 5, null].map(errorTypeOf), [
    "E_CODE",
    "RangeError",
    "queue_full",
    "_OTHER",
    "_OTHER",
  ]);
});

Deno.test("a settling that was refused has failed in its span too, and holds are counted", async () => {
  await recording(async ({ spans, points }) => {
    await using backend = new MemoryBackend();
    const coordinator = new MessageCoordinator(backend);
    await coordinator.sendMessage({ type: "editor" }, { type: "writer" }, {});
    const received = await coordinator.receive({ type: "writer" });
    assert(received);
    assertEquals([await received.ack(), await received.ack()], [true, false]);
    const acks = spans().filter(({ name }) => name.startsWith("ack"));
    assertEquals(acks.map(({ attributes }) => attributes["error.type"]), [undefined, "lease_lost"]);
    recordHold("writer");
    assertEquals((await points("tta.agent.holds")).map(({ value }) => value), [1]);
  });
  recordHold("writer"); // and nothing happens where nobody records
});
