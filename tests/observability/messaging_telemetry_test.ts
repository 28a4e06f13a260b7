/** Tests of the spans and metrics of messaging. @module */

import { assert, assertEquals } from "@std/assert";
import { createNoopMeter, metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { MemoryBackend } from "../../backends/memory.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { PermanentFailureError } from "../../src/errors.ts";
import { serveAgent } from "../../src/messages/worker.ts";
import { recording } from "./recorder.ts";

const EDITOR = { type: "editor" };
const WRITER = { type: "writer", instance: "ada" };

function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const [span, ...others] = spans.filter((each) => each.name === name);
  assert(span && others.length === 0, `there is one span "${name}" in ${spans.map((each) => each.name).join(", ")}`);
  return span;
}

/** Sends, waits until the handler has run, and stops. */
async function serveOne(process: () => Promise<void> | void, retryAttempts = 0): Promise<void> {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend, { retryAttempts });
  await coordinator.sendMessage(EDITOR, WRITER, { messageId: "message-1", correlationId: "conversation-1" });
  const done = Promise.withResolvers<void>();
  const server = serveAgent(coordinator, {
    agentId: WRITER,
    process: async () => {
      try {
        await process();
      } finally {
        done.resolve();
      }
    },
  });
  await done.promise;
  await server.stop();
}

Deno.test("nothing is sent along with a message while no provider is registered", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.sendMessage(EDITOR, WRITER, {});
  const received = await coordinator.receive(WRITER);
  assertEquals(received?.message.trace, undefined);
  assertEquals("trace" in (received?.message ?? {}), false);
});

Deno.test("a trace that came with a message is passed on by a process that has no provider", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const sent = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "vendor=1" };
  await coordinator.sendMessage(EDITOR, WRITER, { trace: sent });
  const received = await coordinator.receive(WRITER);
  assertEquals(received?.message.trace, sent);
  await coordinator.sendMessage(WRITER, EDITOR, received?.message ?? {});
  assertEquals((await coordinator.receive(EDITOR))?.message.trace, sent);
});

Deno.test("sending, receiving, handling and settling a message are spans of the conventions, in one trace", async () => {
  await recording(async ({ spans }) => {
    let inHandler: string | undefined;
    await serveOne(() => void (inHandler = trace.getActiveSpan()?.spanContext().spanId));
    const send = named(spans(), "send writer/{instance}");
    assertEquals(send.kind, SpanKind.PRODUCER);
    assertEquals(send.attributes, {
      "messaging.system": "tta",
      "messaging.operation.name": "send",
      "messaging.operation.type": "send",
      "messaging.destination.name": "writer/ada",
      "messaging.destination.template": "writer/{instance}",
      "messaging.message.id": "message-1",
      "messaging.message.conversation_id": "conversation-1",
    });
    const receive = named(spans(), "receive writer/{instance}");
    assertEquals([receive.kind, receive.attributes["messaging.batch.message_count"]], [SpanKind.CLIENT, 1]);
    assertEquals(receive.links.map(({ context }) => context.spanId), [send.spanContext().spanId]);
    const process = named(spans(), "process writer/{instance}");
    assertEquals(process.kind, SpanKind.CONSUMER);
    assertEquals(process.spanContext().traceId, send.spanContext().traceId);
    assertEquals(process.parentSpanContext?.spanId, send.spanContext().spanId);
    assertEquals(process.links.map(({ context }) => context.spanId), [send.spanContext().spanId]);
    assertEquals(inHandler, process.spanContext().spanId);
    const ack = named(spans(), "ack writer/{instance}");
    assertEquals([ack.kind, ack.attributes["messaging.operation.type"]], [SpanKind.CLIENT, "settle"]);
    assertEquals(ack.parentSpanContext?.spanId, process.spanContext().spanId);
  });
});

Deno.test("what a handler sends goes on with its trace, also in a batch of its own", async () => {
  await recording(async ({ spans }) => {
    await using backend = new MemoryBackend();
    const coordinator = new MessageCoordinator(backend);
    const done = Promise.withResolvers<void>();
    await coordinator.sendMessage(EDITOR, WRITER, {});
    const server = serveAgent(coordinator, {
      agentId: WRITER,
      process: async (_, { also }) => {
        await coordinator.sendMessage(WRITER, { type: "reader" }, {});
        also(coordinator.prepareSend(WRITER, { type: "archive" }, {}));
        done.resolve();
      },
    });
    await done.promise;
    await server.stop();
    const process = named(spans(), "process writer/{instance}").spanContext();
    const send = named(spans(), "send reader/{instance}");
    assertEquals([send.spanContext().traceId, send.parentSpanContext?.spanId], [process.traceId, process.spanId]);
    const archived = await coordinator.receive({ type: "archive" });
    assertEquals(archived?.message.trace?.traceparent, `00-${process.traceId}-${process.spanId}-01`);
  });
});

Deno.test("a handler that fails, and a mailbox that is full, are told with their kind of error", async () => {
  await recording(async ({ spans, points }) => {
    await serveOne(() => {
      throw new PermanentFailureError("never");
    });
    const process = named(spans(), "process writer/{instance}");
    assertEquals(process.attributes["error.type"], "PERMANENT_FAILURE");
    assertEquals(process.status, { code: SpanStatusCode.ERROR, message: "never" });
    named(spans(), "nack writer/{instance}");
    await using backend = new MemoryBackend();
    const coordinator = new MessageCoordinator(backend, { queueSize: 1 });
    await coordinator.sendMessage(EDITOR, { type: "reader" }, {});
    assertEquals((await coordinator.sendMessage(EDITOR, { type: "reader" }, {})).delivered, false);
    await backend.close();
    await coordinator.sendMessage(EDITOR, { type: "reader" }, {}).catch(() => {});
    const sent = (await points("messaging.client.sent.messages"))
      .filter(({ attributes }) => attributes["messaging.destination.template"] === "reader/{instance}")
      .map(({ attributes, value }) => [attributes["error.type"], value]);
    assertEquals(sent, [[undefined, 1], ["queue_full", 1], ["BACKEND_CLOSED", 1]]);
  });
});

Deno.test("messages and durations are counted by the conventions, with no attribute that differs for each message", async () => {
  await recording(async ({ points }) => {
    await using backend = new MemoryBackend();
    const coordinator = new MessageCoordinator(backend);
    for (let n = 0; n < 5; n++) await coordinator.sendMessage(EDITOR, { type: "writer", instance: `${n % 2}` }, {});
    for (const message of await coordinator.receive({ type: "writer", instance: "0" }, { limit: 10 })) {
      await message.ack();
    }
    const of = (name: string, type = name) => ({
      "messaging.system": "tta",
      "messaging.operation.name": name,
      "messaging.operation.type": type,
      "messaging.destination.template": "writer/{instance}",
    });
    assertEquals(await points("messaging.client.sent.messages"), [{ attributes: of("send"), value: 5 }]);
    assertEquals(await points("messaging.client.consumed.messages"), [{ attributes: of("receive"), value: 3 }]);
    assertEquals(await points("messaging.client.operation.duration"), [
      { attributes: of("send"), value: 5 },
      { attributes: of("receive"), value: 1 },
      { attributes: of("ack", "settle"), value: 3 },
    ]);
    assertEquals(await points("messaging.process.duration"), []);
  });
  await recording(async ({ points }) => {
    await serveOne(() => {});
    assertEquals((await points("messaging.process.duration")).map(({ value }) => value), [1]);
  });
});

Deno.test("a trace context that is none is sent on as it is, and begins a trace of its own", async () => {
  await recording(async ({ spans }) => {
    await using backend = new MemoryBackend();
    const coordinator = new MessageCoordinator(backend);
    for (const traceparent of ["", "nonsense", `00-${"0".repeat(32)}-${"b".repeat(16)}-01`, `ff-${"a".repeat(32)}`]) {
      const value = { v: 1, message: { ...MESSAGE, trace: { traceparent } } };
      await backend.commit({
        operations: [{
          type: "enqueue",
          queue: ["ao", "mailbox", "writer", "ada"],
          id: `id-${traceparent}`,
          value,
          priority: 5,
          maxAttempts: 1,
          dedupeMs: 0,
          capacity: 10,
        }],
      });
    }
    const done = Promise.withResolvers<void>();
    let handled = 0;
    const server = serveAgent(coordinator, {
      agentId: WRITER,
      process: () => {
        if (++handled === 4) done.resolve();
      },
    });
    await done.promise;
    await server.stop();
    for (const span of spans().filter(({ name }) => name.startsWith("process"))) {
      assertEquals([span.links, span.parentSpanContext], [[], undefined]);
    }
  });
});

const MESSAGE = {
  messageId: "message-1",
  sender: EDITOR,
  recipient: WRITER,
  messageType: "event",
  payload: {},
  priority: 5,
  routing: {},
  timestamp: "2030-01-01T00:00:00.000Z",
};

Deno.test("telemetry that throws harms nothing, wherever it does", async () => {
  const boom = () => {
    throw new Error("boom");
  };
  const quiet = { forceFlush: () => Promise.resolve(), shutdown: () => Promise.resolve() };
  const processors = [{ onStart: boom, onEnd: () => {} }, { onStart: () => {}, onEnd: boom }];
  metrics.setGlobalMeterProvider({ getMeter: () => new Proxy(createNoopMeter(), { get: () => boom }) });
  try {
    for (const processor of processors) {
      const tracers = new BasicTracerProvider({ spanProcessors: [{ ...processor, ...quiet }] });
      trace.setGlobalTracerProvider(tracers);
      let handled = 0;
      await serveOne(() => void handled++);
      assertEquals(handled, 1);
      trace.disable();
    }
  } finally {
    trace.disable();
    metrics.disable();
  }
});
