/** What is no record of the registry is not read as one. @module */

import { assertEquals, assertThrows } from "@std/assert";
import { versionOf } from "../../src/agents/event_log.ts";
import {
  decodeEvent,
  decodeHead,
  decodeMember,
  decodePast,
  decodeSession,
  encodeEvent,
  encodeMember,
  type LoggedEvent,
} from "../../src/agents/records.ts";

const MEMBER = { incarnation: 1, session: "s", metadata: {}, registeredAt: "2030-01-01T00:00:00.000Z" };

Deno.test("decodeMember() reads what encodeMember() wrote, and nothing else", () => {
  assertEquals(decodeMember(encodeMember({ ...MEMBER, status: "busy" })), { ...MEMBER, status: "busy" });
  const stored = encodeMember(MEMBER);
  assertEquals(decodeMember({ ...stored, registeredAt: 5, status: 5 }), { ...MEMBER, registeredAt: "" });
  for (const wrong of [{ incarnation: "1" }, { session: 1 }, { metadata: [] }, { metadata: null }, { v: 2 }]) {
    assertEquals(decodeMember({ ...stored, ...wrong }), null);
  }
  for (const value of [undefined, null, "text", [], 1]) assertEquals(decodeMember(value), null);
});

Deno.test("decodeSession(), decodePast() and decodeHead() give nothing for what is none", () => {
  assertEquals(decodeSession({ v: 1, ttlMs: 1, suspicionMs: 2 }), { ttlMs: 1, suspicionMs: 2 });
  for (const value of [null, { v: 2 }, { v: 1, ttlMs: "1", suspicionMs: 2 }, { v: 1, ttlMs: 1 }]) {
    assertEquals(decodeSession(value), null);
  }
  assertEquals(decodePast({ v: 1, incarnation: 3, state: 0 }), { incarnation: 3, state: 0 });
  assertEquals([decodePast({ v: 1 }), decodePast(undefined)], [null, null]);
  assertEquals([decodeHead({ v: 1, last: 7 }), decodeHead({ v: 1 }), decodeHead(undefined)], [7, 0, 0]);
});

Deno.test("decodeEvent() skips events of a kind that it does not know", () => {
  const agentId = { type: "t", instance: "i" };
  const events: LoggedEvent[] = [
    { type: "join", agentId, incarnation: 1, metadata: {} },
    { type: "expiry_held", agentType: "t", silent: 1, total: 2, heldForMs: 3 },
  ];
  for (const event of events) assertEquals(decodeEvent(encodeEvent(event)), event);
  for (
    const event of [null, "join", { type: "born", agentId, incarnation: 1 }, { type: "join" }, { type: "expiry_held" }]
  ) {
    assertEquals(decodeEvent({ v: 1, event }), null);
  }
  assertEquals(decodeEvent({ v: 2 }), null);
});

Deno.test("versionOf() refuses an operation that wrote no record", () => {
  assertEquals(versionOf([{ type: "set", version: "v1" }], 0), "v1");
  assertThrows(() => versionOf([{ type: "delete", existed: true }], 0), TypeError, "operation 0 set nothing");
});
