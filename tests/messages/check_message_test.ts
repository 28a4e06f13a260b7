/** Messages at the boundary: what is taken, and what is refused by name. @module */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkAgentId, checkMessage, checkSubscription } from "../../src/messages/message_check.ts";
import type { AgentId, AgentMessageInput, MessageType } from "../../src/messages/model.ts";

const RIGHT: readonly unknown[] = [
  {},
  { payload: {} },
  {
    payload: { a: [1, null] },
    priority: 0,
    messageType: "request",
    messageId: "six-62",
    correlationId: "x".repeat(256),
  },
  { priority: 9, replyTo: "r", messageType: "event", payload: undefined },
  { routing: { topic: "t", tags: ["u"] }, timestamp: "2026-11-21T14:00:00Z", trace: { traceparent: "00-a-b-01" } },
  { sender: { type: "a" }, recipient: { type: "b", instance: "c" } },
  { messageType: "response", trace: { traceparent: "p".repeat(256), tracestate: "s".repeat(512) } },
  Object.create({ inherited: 1 }),
];

const WRONG: readonly (readonly [message: unknown, rule: string])[] = [
  [null, "Cannot use message: it must be an object"],
  [[], "Cannot use message: it must be an object"],
  [{ payloat: undefined }, "Cannot use message: it must not have payloat"],
  [{ one: 1, payload: {}, two: 2 }, "Cannot use message: it must not have one, two"],
  [{ payload: {}, toString: 1 }, "Cannot use message: it must not have toString"],
  // What a class makes of a field, no loop lists.
  [
    new class {
      get priority() {
        return 10;
      }
    }(),
    "Cannot use message.priority: it must be an integer from 0 to 9",
  ],
  [{ payload: [] }, "Cannot use message.payload: it must be a JSON object"],
  [{ payload: null }, "Cannot use message.payload: it must be a JSON object"],
  [{ payload: { at: new Date(0) } }, "Cannot store message.payload.at: JSON cannot carry an object of the class Date"],
  [{ sender: "a" }, "Cannot use message.sender: it must be an agent id: { type, instance? }"],
  [{ recipient: { instance: "a" } }, "Cannot use message.recipient.type: it must be a string"],
  [{ recipient: { type: "a", instance: "" } }, "Cannot use message.recipient.instance: it must not be empty"],
  [{ messageType: "" }, "Cannot use message.messageType: it must be request, response or event"],
  [{ messageType: "news" }, "Cannot use message.messageType: it must be request, response or event"],
  [{ messageId: "short" }, "Cannot use message.messageId: it must have 6 to 256 characters"],
  [{ messageId: "x".repeat(257) }, "Cannot use message.messageId: it must have 6 to 256 characters"],
  [{ messageId: "\ud800lone-one" }, "Cannot use message.messageId: it must be well-formed Unicode"],
  [{ correlationId: 1234567 }, "Cannot use message.correlationId: it must be a string"],
  [{ priority: 10 }, "Cannot use message.priority: it must be an integer from 0 to 9"],
  [{ priority: -1 }, "Cannot use message.priority: it must be an integer from 0 to 9"],
  [{ priority: 0.5 }, "Cannot use message.priority: it must be an integer from 0 to 9"],
  [{ priority: "5" }, "Cannot use message.priority: it must be an integer from 0 to 9"],
  [{ replyTo: "" }, "Cannot use message.replyTo: it must not be empty"],
  [{ routing: "t" }, "Cannot use message.routing: it must be a routing key: { topic?, tags? }"],
  [{ routing: { tags: {} } }, "Cannot use message.routing.tags: it must be an array of strings"],
  [{ routing: { tags: [1] } }, "Cannot use message.routing.tags.0: it must be a string"],
  [{ routing: { tags: ["a", null] } }, "Cannot use message.routing.tags.1: it must be a string"],
  [{ trace: "00" }, "Cannot use message.trace: it must be a trace context: { traceparent, tracestate? }"],
  [{ trace: {} }, "Cannot use message.trace.traceparent: it must be a string"],
  [
    { trace: { traceparent: "p".repeat(257) } },
    "Cannot use message.trace.traceparent: it must have at most 256 characters",
  ],
  [
    { trace: { traceparent: "p", tracestate: "s".repeat(513) } },
    "Cannot use message.trace.tracestate: it must have at most 512 characters",
  ],
  [{ routing: { topics: [] } }, "Cannot use message.routing: it must not have topics"],
  [
    { timestamp: "yesterday" },
    "Cannot use message.timestamp: it must be an ISO 8601 date and time with Z or an offset",
  ],
];

Deno.test("checkMessage() takes what is a message", () => {
  for (const message of RIGHT) assertEquals(checkMessage(message as AgentMessageInput), message);
});

Deno.test("checkMessage() names the field and the rule of what is none", () => {
  for (const [message, rule] of WRONG) {
    assertThrows(() => checkMessage(message as AgentMessageInput), TypeError, rule);
  }
});

Deno.test("checkMessage() takes the days that there are, and no others", () => {
  const twoDigits = (number: number) => String(number).padStart(2, "0");
  for (const year of [1900, 2000, 2023, 2024, 2025]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const date = `${year}-${twoDigits(month)}-${twoDigits(day)}`;
        const isThere = new Date(Date.UTC(year, month - 1, day)).toISOString().startsWith(date);
        const check = () => checkMessage({ timestamp: `${date}T12:00:00Z` });
        if (isThere) check();
        else assertThrows(check, TypeError, "Cannot use message.timestamp: it must be an ISO 8601 date and time");
      }
    }
  }
});

Deno.test("checkAgentId() and checkSubscription() name the field and the rule", () => {
  const id = (value: unknown) => value as AgentId;
  const types = (value: unknown) => value as MessageType[];
  checkAgentId("agent", { type: "a", instance: "b" });
  assertThrows(() => checkAgentId("agent", id({ type: "" })), TypeError, "Cannot use agent.type: it must not be empty");
  checkSubscription(["event"], ["t"]);
  checkSubscription(["request", "response"], []);
  const wrong: readonly (readonly [types: unknown, topics: unknown, rule: string])[] = [
    ["event", [], "Cannot use messageTypes: it must be an array"],
    [[], [], "Cannot use messageTypes: it must name at least one type"],
    [["event", "news"], [], "Cannot use messageTypes.1: it must be request, response or event"],
    [["event"], "t", "Cannot use topics: it must be an array of strings"],
    [["event"], ["t", 1], "Cannot use topics.1: it must be a string"],
  ];
  for (const [given, topics, rule] of wrong) {
    const error = assertThrows(() => checkSubscription(types(given), topics as string[]), TypeError);
    assert(error.message === rule, error.message);
  }
});
