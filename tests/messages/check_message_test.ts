/** Messages at the boundary: what is taken, and what is refused by name. @module */

import { assertEquals, assertThrows } from "@std/assert";
import { type AgentMessageInput, checkMessage } from "../../src/messages/model.ts";

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
];

const WRONG: readonly (readonly [message: unknown, rule: string])[] = [
  [null, "Cannot use message: it must be an object"],
  [[], "Cannot use message: it must be an object"],
  [{ payloat: undefined }, "Cannot use message: it must not have payloat"],
  [{ payload: {}, toString: 1 }, "Cannot use message: it must not have toString"],
  [{ payload: [] }, "Cannot use message.payload: it must be a JSON object"],
  [{ payload: null }, "Cannot use message.payload: it must be a JSON object"],
  [{ payload: { at: new Date(0) } }, "Cannot store message.payload.at: JSON cannot carry an object of the class Date"],
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
