/** Spans and metrics of messaging, by the semantic conventions of OpenTelemetry. @module */

import type { Attributes, Span, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { monotonicMs, systemClock } from "../clock.ts";
import { errorText, tellSafely } from "../errors.ts";
import { activeContext, callWithin, spanContextOf } from "./registered.ts";
import { toContext, toLinks, toTraceContext } from "./remote_span.ts";
import { errorTypeOf, type Telemetry, telemetry } from "./telemetry.ts";
import type { TraceContext } from "./trace_context.ts";

/** The kinds of spans, as OpenTelemetry numbers them. */
const KIND = { client: 2, producer: 3, consumer: 4 } as const satisfies Record<string, SpanKind>;
const STATUS_ERROR: SpanStatusCode = 2;

/** The mailbox of an agent. */
interface Mailbox {
  readonly type: string;
  readonly instance?: string | undefined;
}

/** What a message says of itself. */
interface Traced {
  readonly messageId: string;
  readonly recipient: Mailbox;
  readonly correlationId?: string | undefined;
  readonly trace?: TraceContext | undefined;
}

/** An operation that is being observed. */
export class ObservedOperation {
  readonly #telemetry: Telemetry;
  readonly #span: Span;
  readonly #metric: string;
  readonly #attributes: Attributes;
  readonly #startedAtMs: number;

  /** Begins at `startedAtMs`, by the monotonic clock; its duration goes to the histogram `metric`. */
  constructor(to: Telemetry, span: Span, metric: string, attributes: Attributes, startedAtMs: number) {
    this.#telemetry = to;
    this.#span = span;
    this.#metric = metric;
    this.#attributes = attributes;
    this.#startedAtMs = startedAtMs;
  }

  /** What to send with a message, so that whoever handles it goes on with this trace. */
  get trace(): TraceContext | undefined {
    return toTraceContext(this.#span.spanContext());
  }

  /** Calls a function within the operation: spans that it begins are its children. */
  run<Result>(call: () => Result): Result {
    return callWithin(this.#span, call);
  }

  /** Ends the operation when a promise settles: with its error, or with what is wrong about its result. */
  follow<Result>(promise: Promise<Result>, errorOf: (result: Result) => unknown, sent?: number): Promise<Result> {
    promise.then((result) => this.end(errorOf(result), sent), (error) => this.end(error, sent));
    return promise;
  }

  /** The operation has ended, with an error where one is given; and with it so many messages were sent. */
  end(error?: unknown, sent: number = 0): void {
    const type = error === undefined ? {} : { "error.type": errorTypeOf(error) };
    const attributes = { ...this.#attributes, ...type };
    if (sent > 0) this.#telemetry.count("messaging.client.sent.messages", "{message}", sent, attributes);
    this.#telemetry.time(this.#metric, monotonicMs(systemClock) - this.#startedAtMs, attributes);
    tellSafely(() => {
      if (error !== undefined) {
        this.#span.setAttributes(type);
        this.#span.setStatus({ code: STATUS_ERROR, message: errorText(error) });
      }
      this.#span.end();
    });
  }
}

/** A message is being sent; `null` while nobody observes. */
export function observeSend(recipient: Mailbox, messageId: string, correlationId?: string): ObservedOperation | null {
  const to = telemetry();
  return to && observe(to, "send", "send", KIND.producer, recipient, messageOf(messageId, correlationId));
}

/** A message is being settled: acknowledged, given back, answered. */
export function observeSettle(
  operation: string,
  mailbox: readonly string[],
  messageId: string,
): ObservedOperation | null {
  const to = telemetry();
  return to && observe(to, operation, "settle", KIND.client, mailboxOf(mailbox), messageOf(messageId, undefined));
}

/** A message is being handled. What its handler does belongs to the trace of whoever has sent it. */
export function observeProcess({ messageId, recipient, correlationId, trace: sent }: Traced): ObservedOperation | null {
  const to = telemetry();
  if (!to) return null;
  const attributes = messageOf(messageId, correlationId);
  return observe(to, "process", "process", KIND.consumer, recipient, attributes, sent);
}

/** A claim is about to be made; returns what to call with the messages that it gave. */
export function observeReceive(mailbox: readonly string[]): ((messages: readonly Traced[]) => void) | null {
  const to = telemetry();
  if (!to) return null;
  const [startTime, startedAtMs] = [systemClock.now(), monotonicMs(systemClock)];
  return (messages) => {
    if (messages.length === 0) return; // a look at an empty mailbox is no event
    const recipient = mailboxOf(mailbox);
    const attributes = attributesOf("receive", "receive", recipient);
    tellSafely(() =>
      to.tracer.startSpan(`receive ${templateOf(recipient)}`, {
        kind: KIND.client,
        startTime,
        links: toLinks(messages.map((message) => message.trace)),
        attributes: { ...attributes, ...destinationOf(recipient), "messaging.batch.message_count": messages.length },
      }).end()
    );
    to.count("messaging.client.consumed.messages", "{message}", messages.length, attributes);
    to.time("messaging.client.operation.duration", monotonicMs(systemClock) - startedAtMs, attributes);
  };
}

/** The trace that the caller is in, to be sent with a message that travels in a batch of its own. */
export function activeTrace(): TraceContext | undefined {
  return telemetry() === null ? undefined : toTraceContext(spanContextOf(activeContext()));
}

function observe(
  to: Telemetry,
  operation: string,
  type: "send" | "process" | "settle",
  kind: SpanKind,
  recipient: Mailbox,
  message: Attributes,
  sent?: TraceContext,
): ObservedOperation | null {
  const attributes = attributesOf(operation, type, recipient);
  const metric = type === "process" ? "messaging.process.duration" : "messaging.client.operation.duration";
  try {
    const span = to.tracer.startSpan(`${operation} ${templateOf(recipient)}`, {
      kind,
      links: toLinks([sent]),
      attributes: { ...attributes, ...destinationOf(recipient), ...message },
    }, sent ? toContext(sent) : activeContext());
    return new ObservedOperation(to, span, metric, attributes, monotonicMs(systemClock));
  } catch {
    return null; // a fault of whoever observes is none of the work
  }
}

/** What differs little from call to call, and so belongs to metrics too: an instance of an agent does not. */
function attributesOf(operation: string, type: string, recipient: Mailbox): Attributes {
  return {
    "messaging.system": "tta",
    "messaging.operation.name": operation,
    "messaging.operation.type": type,
    "messaging.destination.template": templateOf(recipient),
  };
}

function destinationOf({ type, instance = "default" }: Mailbox): Attributes {
  return { "messaging.destination.name": `${type}/${instance}` };
}

function messageOf(messageId: string, correlationId: string | undefined): Attributes {
  return {
    "messaging.message.id": messageId,
    ...(correlationId !== undefined && { "messaging.message.conversation_id": correlationId }),
  };
}

function templateOf({ type }: Mailbox): string {
  return `${type}/{instance}`;
}

/** Of a mailbox's key, the last two parts name the agent. */
function mailboxOf(key: readonly string[]): Mailbox {
  const [type = "", instance = ""] = key.slice(-2);
  return { type, instance };
}
