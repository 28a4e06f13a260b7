/** Tests of what is found of OpenTelemetry without loading its API, against the API itself. @module */

import { assert, assertEquals } from "@std/assert";
import { context, createNoopMeter, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import {
  callWithin,
  contextWithin,
  type Registered,
  silentTracer,
  spanContextOf,
} from "../../src/observability/registered.ts";
import { telemetry } from "../../src/observability/telemetry.ts";
import { recording } from "./recorder.ts";

const SPAN = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1, isRemote: true };
const TRACER = trace.getTracer("test");
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Runs a test with providers that were registered by another version of the API. */
function withRegistered(providers: Registered & { readonly version: string }, run: () => void): void {
  const before: unknown = Reflect.get(globalThis, REGISTERED);
  Reflect.set(globalThis, REGISTERED, providers);
  try {
    run();
  } finally {
    Reflect.set(globalThis, REGISTERED, before);
  }
}

Deno.test("telemetry() finds a provider that another version of the API has registered", () => {
  const provider = { getTracer: () => TRACER };
  for (const version of ["1.0.0", "1.999.0"]) {
    withRegistered({ version, trace: provider }, () => assert(telemetry()?.tracer === TRACER));
  }
  assertEquals(telemetry(), null);
});

Deno.test("telemetry() counts nothing where only a tracer is registered, and passes traces on where only metrics are", () => {
  const counted: string[] = [];
  const meter = Object.assign(createNoopMeter(), {
    createCounter: (name: string) => ({ add: () => counted.push(name) }),
  });
  withRegistered({ version: "1.9.0", trace: { getTracer: () => TRACER } }, () => {
    const to = telemetry();
    to?.count("a", "1", 1, {});
    to?.change("b", "1", 1, {});
    to?.time("c", 1, {});
  });
  withRegistered({ version: "1.9.0", metrics: { getMeter: () => meter } }, () => {
    const to = telemetry();
    to?.count("d", "1", 1, {});
    assertEquals(to?.tracer.startSpan("span", {}, contextWithin(SPAN)).spanContext(), SPAN);
    assertEquals(trace.isSpanContextValid(silentTracer.startSpan("span").spanContext()), false);
  });
  assertEquals(counted, ["d"]);
});

Deno.test("contextWithin() makes contexts that the API reads, and that a change leaves as they were", () => {
  const within = contextWithin(SPAN);
  assertEquals([trace.getSpanContext(within), spanContextOf(within)], [SPAN, SPAN]);
  assertEquals(spanContextOf(trace.setSpanContext(ROOT_CONTEXT, SPAN)), SPAN);
  assertEquals(spanContextOf(trace.deleteSpan(within)), undefined);
  assertEquals([spanContextOf(within), spanContextOf(contextWithin(undefined))], [SPAN, undefined]);
});

Deno.test("a span of another process records nothing, whatever is called", () => {
  const span = trace.getSpan(contextWithin(SPAN));
  assert(span);
  span.setAttribute("a", 1).setAttributes({ a: 1 }).addEvent("event").addLink({ context: SPAN }).addLinks([])
    .setStatus({ code: 2 }).updateName("other").recordException("exception");
  span.end();
  assertEquals([span.isRecording(), span.spanContext()], [false, SPAN]);
});

Deno.test("callWithin() makes a span the active one, and only calls where nobody keeps contexts", async () => {
  const span = silentTracer.startSpan("span", {}, contextWithin(SPAN));
  assertEquals(callWithin(span, () => trace.getSpanContext(context.active())), undefined);
  await recording(() => {
    assertEquals(callWithin(span, () => trace.getSpanContext(context.active())), SPAN);
    return Promise.resolve();
  });
});
