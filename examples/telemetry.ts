/**
 * One trace across agents. Deno registers a provider of OpenTelemetry by itself:
 *
 *     OTEL_DENO=true OTEL_EXPORTER_OTLP_PROTOCOL=console deno run -A examples/telemetry.ts
 *
 * prints spans and metrics; without the second variable they go to a collector at localhost:4318. In Node, register the
 * provider of your choice before you send. Without a provider nothing is recorded, and nothing travels with a message.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- an example shows what it does

import { trace } from "@opentelemetry/api";
import { MemoryBackend, MessageCoordinator, serveAgent } from "@tta/agent-coordination";

await using backend = new MemoryBackend();
const coordinator = new MessageCoordinator(backend);
const editor = { type: "editor" };
const writer = { type: "writer" };
const reader = { type: "reader" };
const finished = Promise.withResolvers<void>();

/** The trace that the code that runs right now belongs to. */
const traceId = () => trace.getActiveSpan()?.spanContext().traceId ?? "no trace";

const writing = serveAgent(coordinator, {
  agentId: writer,
  process: async ({ payload }) => {
    console.log(`writer works in ${traceId()}`);
    await coordinator.sendMessage(writer, reader, { payload: { title: `On ${payload.subject}` } });
  },
});
const reading = serveAgent(coordinator, {
  agentId: reader,
  process: ({ payload }) => {
    console.log(`reader works in ${traceId()}: ${payload.title}`);
    finished.resolve();
  },
});

await trace.getTracer("examples").startActiveSpan("an issue of the paper", async (span) => {
  console.log(`editor works in ${traceId()}`);
  await coordinator.sendMessage(editor, writer, { payload: { subject: "mailboxes" } });
  span.end();
});
await finished.promise;
await Promise.all([writing.stop(), reading.stop()]);
