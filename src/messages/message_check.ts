/** The checks of what callers hand in, by field and rule. By hand, as a library takes longer to load. @module */

import { requireJson } from "../storage/json.ts";
import type { AgentId, AgentMessageInput, MessageType } from "./model.ts";

/** What is wrong with a value, and where in it. */
interface Fault {
  readonly path: string;
  readonly what: string;
}

/**
 * What is wrong with a value, `null` when nothing is. Words are put together for a fault alone: every send is checked.
 */
type Check = (value: unknown) => Fault | null;

/**
 * Checks an agent id.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkAgentId(field: string, agent: AgentId): void {
  demand(agentId, field, agent);
}

/**
 * Checks a message that is to be sent.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkMessage(message: AgentMessageInput): AgentMessageInput {
  demand(agentMessage, "message", message);
  if (message.payload !== undefined) requireJson(message.payload, "message.payload");
  return message;
}

/**
 * Checks the message types and topics of a subscription.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkSubscription(messageTypes: readonly MessageType[], topics: readonly string[]): void {
  demand(types, "messageTypes", messageTypes);
  demand(strings, "topics", topics);
}

function demand(check: Check, field: string, value: unknown): void {
  const fault = check(value);
  if (fault !== null) throw new TypeError(`Cannot use ${field}${fault.path}: it ${fault.what}`);
}

const string = rule("must be a string", (value) => typeof value === "string");
const nonEmpty = all(string, rule("must not be empty", (value) => value !== ""));
const strings = list(string, "must be an array of strings");
const messageType = rule(
  "must be request, response or event",
  (value) => value === "request" || value === "response" || value === "event",
);
const types = all(
  list(messageType, "must be an array"),
  rule("must name at least one type", (value) => Array.isArray(value) && value.length > 0),
);

const agentId = shape(
  { type: nonEmpty, instance: optional(nonEmpty) },
  "must be an agent id: { type, instance? }",
);

const messageId = all(
  string,
  text("must have 6 to 256 characters", (id) => id.length >= 6 && id.length <= 256),
  text("must be well-formed Unicode, with no lone surrogate", (id) => id.isWellFormed()),
);

const agentMessage = shape({
  messageId: optional(messageId),
  sender: optional(agentId),
  recipient: optional(agentId),
  messageType: optional(messageType),
  payload: optional(rule("must be a JSON object", isObject)),
  priority: optional(
    rule(
      "must be an integer from 0 to 9",
      (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 9,
    ),
  ),
  routing: optional(
    shape({ topic: optional(string), tags: optional(strings) }, "must be a routing key: { topic?, tags? }"),
  ),
  timestamp: optional(all(string, text("must be an ISO 8601 date and time with Z or an offset", isDateTime))),
  correlationId: optional(messageId),
  replyTo: optional(nonEmpty),
  trace: optional(shape({
    traceparent: all(string, text("must have at most 256 characters", (value) => value.length <= 256)),
    tracestate: optional(all(string, text("must have at most 512 characters", (value) => value.length <= 512))),
  }, "must be a trace context: { traceparent, tracestate? }")),
}, "must be an object");

function rule(what: string, isRight: (value: unknown) => boolean): Check {
  const fault: Fault = { path: "", what };
  return (value) => isRight(value) ? null : fault;
}

/** A rule for what is known to be a string. */
function text(what: string, isRight: (value: string) => boolean): Check {
  return rule(what, (value) => isRight(String(value)));
}

/** The first fault of several checks. */
function all(...checks: readonly Check[]): Check {
  return (value) => {
    for (const check of checks) {
      const fault = check(value);
      if (fault !== null) return fault;
    }
    return null;
  };
}

function optional(check: Check): Check {
  return (value) => value === undefined ? null : check(value);
}

function list(check: Check, what: string): Check {
  return (value) => {
    if (!Array.isArray(value)) return { path: "", what };
    for (let index = 0; index < value.length; index++) {
      const fault = check(value[index]);
      if (fault !== null) return at(index, fault);
    }
    return null;
  };
}

/** Of what is wrong, a field is told before one that there is not. */
function shape(fields: Readonly<Record<string, Check>>, what: string): Check {
  const checks = Object.entries(fields);
  const byName = new Map(checks);
  const required = checks.filter(([, check]) => check(undefined) !== null);

  // Nearly all are right, and have few of the fields that there may be.
  const isRight = (value: Readonly<Record<string, unknown>>): boolean => {
    if (Object.getPrototypeOf(value) !== Object.prototype) return false; // a class may have fields that no loop lists
    for (const name in value) if (byName.get(name)?.(value[name]) !== null) return false;
    for (const [name] of required) if (value[name] === undefined) return false;
    return true;
  };

  return (value) => {
    if (!isObject(value)) return { path: "", what };
    if (isRight(value)) return null;
    for (const [name, check] of checks) {
      const fault = check(value[name]);
      if (fault !== null) return at(name, fault);
    }
    return unknownNames(value, fields);
  };
}

/** A fault of a part, as one of the whole. */
function at(step: string | number, { path, what }: Fault): Fault {
  return { path: `.${step}${path}`, what };
}

function unknownNames(value: object, fields: object): Fault | null {
  const names = Object.keys(value).filter((name) => !Object.hasOwn(fields, name));
  return names.length === 0 ? null : { path: "", what: `must not have ${names.join(", ")}` };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDateTime(value: string): boolean {
  const [, year, month, day] = (DATE_TIME.exec(value) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && isLeap ? 29 : DAYS[month - 1] ?? 0;
  return day >= 1 && day <= days;
}
