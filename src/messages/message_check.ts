/** The checks of what callers hand in: each names the field and the rule. By hand, as a library takes longer to load. @module */

import { requireJson } from "../storage/json.ts";
import type { AgentId, AgentMessageInput, MessageType } from "./model.ts";

/** Throws when a value is not right. */
type Check = (value: unknown, path: string) => void;

/**
 * Checks an agent id.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkAgentId(field: string, agent: AgentId): void {
  agentId(agent, field);
}

/**
 * Checks a message that is to be sent.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkMessage(message: AgentMessageInput): AgentMessageInput {
  agentMessage(message, "message");
  if (message.payload !== undefined) requireJson(message.payload, "message.payload");
  return message;
}

/**
 * Checks the message types and topics of a subscription.
 *
 * @throws {TypeError} Naming the field and the rule.
 */
export function checkSubscription(messageTypes: readonly MessageType[], topics: readonly string[]): void {
  types(messageTypes, "messageTypes");
  if (messageTypes.length === 0) refuse("messageTypes", "must name at least one type");
  strings(topics, "topics");
}

const string = text("", () => true);
const nonEmpty = text("must not be empty", (value) => value !== "");
const strings = list(string, "must be an array of strings");
const messageType = rule(
  "must be request, response or event",
  (value) => value === "request" || value === "response" || value === "event",
);
const types = list(messageType, "must be an array");

const agentId = shape(
  { type: nonEmpty, instance: optional(nonEmpty) },
  "must be an agent id: { type, instance? }",
);

const isShortOrLong = (id: string) => id.length < 6 || id.length > 256;
const messageId: Check = (value, path) => {
  string(value, path);
  if (isShortOrLong(String(value))) refuse(path, "must have 6 to 256 characters");
  if (!String(value).isWellFormed()) refuse(path, "must be well-formed Unicode");
};

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
  timestamp: optional(text("must be an ISO 8601 date and time with Z or an offset", isDateTime)),
  correlationId: optional(messageId),
  replyTo: optional(nonEmpty),
  trace: optional(shape({
    traceparent: text("must have at most 256 characters", (value) => value.length <= 256),
    tracestate: optional(text("must have at most 512 characters", (value) => value.length <= 512)),
  }, "must be a trace context: { traceparent, tracestate? }")),
}, "must be an object");

function refuse(path: string, wrong: string): never {
  throw new TypeError(`Cannot use ${path}: it ${wrong}`);
}

function rule(wrong: string, isRight: (value: unknown) => boolean): Check {
  return (value, path) => {
    if (!isRight(value)) refuse(path, wrong);
  };
}

function text(wrong: string, isRight: (value: string) => boolean): Check {
  return (value, path) => {
    if (typeof value !== "string") refuse(path, "must be a string");
    if (!isRight(value)) refuse(path, wrong);
  };
}

function optional(check: Check): Check {
  return (value, path) => {
    if (value !== undefined) check(value, path);
  };
}

function list(check: Check, wrong: string): Check {
  return (value, path) => {
    if (!Array.isArray(value)) refuse(path, wrong);
    for (let index = 0; index < value.length; index++) check(value[index], `${path}.${index}`);
  };
}

/** Of what is wrong, a field is told before one that there is not. */
function shape(fields: Readonly<Record<string, Check>>, wrong: string): Check {
  const checks = Object.entries(fields);
  return (value, path) => {
    if (!isObject(value)) refuse(path, wrong);
    for (const [name, check] of checks) check(value[name], `${path}.${name}`);
    const unknown = Object.keys(value).filter((name) => !Object.hasOwn(fields, name));
    if (unknown.length > 0) refuse(path, `must not have ${unknown.join(", ")}`);
  };
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
