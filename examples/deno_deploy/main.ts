/**
 * A service that Deno Deploy can host: one endpoint sends to an agent, another works the agent's mailbox.
 *
 * `deno run --allow-net --allow-env --allow-read --allow-write --unstable-kv main.ts`, then
 *
 *     curl -X POST localhost:8000/agents/counter/messages -d '{"text":"to be or not to be"}'
 *     curl -X POST localhost:8000/agents/counter/work
 *     curl localhost:8000/agents/counter/results
 *
 * @module
 */

import { type AgentId, type JsonObject, MessageCoordinator, type ReceivedMessage } from "@tta/agent-coordination";
import { DenoKvBackend } from "@tta/agent-coordination/deno-kv";

// On Deploy the database is the project's own; elsewhere a file can be named.
const path = Deno.env.get("KV_PATH");
const backend = new DenoKvBackend({ ...(path && { path }) });
const coordinator = new MessageCoordinator(backend);

/** How long one call works a mailbox: less than the platform lets a request run. */
const WORK_MS = 10_000;
/** A result is kept for a day. */
const RESULT_KEPT_MS = 24 * 3600 * 1000;

// The platform has its own address and port, whatever is said here.
const address = { hostname: "127.0.0.1", port: Number(Deno.env.get("PORT") ?? 8000) };
Deno.serve(address, async (request) => {
  const [, root, type, action = ""] = new URL(request.url).pathname.split("/");
  if (root !== "agents" || !type) return Response.json({ error: "there is nothing here" }, { status: 404 });
  const agent = { type };
  switch (`${request.method} ${action}`) {
    case "POST messages":
      return await send(agent, request);
    case "POST work":
      return Response.json(await work(agent));
    case "GET results":
      return Response.json(await results(agent));
    case "GET ":
      return Response.json(await coordinator.stats(agent));
    default:
      return Response.json({ error: "there is nothing here" }, { status: 404 });
  }
});

/** Sends the body to the agent. Who sends again with the same `Idempotency-Key` sends once. */
async function send(agent: AgentId, request: Request): Promise<Response> {
  const payload: JsonObject | undefined = await request.json().catch(() => undefined);
  if (payload === undefined) return Response.json({ error: "the body must be JSON" }, { status: 400 });
  const messageId = request.headers.get("Idempotency-Key");
  try {
    const message = { payload, ...(messageId && { messageId }) };
    const result = await coordinator.sendMessage({ type: "http" }, agent, message);
    if (result.delivered) return Response.json(result, { status: 202 });
    return Response.json(result, { status: 503, headers: { "Retry-After": "1" } }); // the mailbox is full
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    return Response.json({ error: error.message }, { status: 400 });
  }
}

/** Handles what is in the mailbox. To be called by a schedule, and whenever something was sent. */
async function work(agent: AgentId): Promise<{ handled: number; failed: number }> {
  const outcome = { handled: 0, failed: 0 };
  const until = Date.now() + WORK_MS;
  while (Date.now() < until) {
    const batch = await coordinator.receive(agent, { limit: 20 });
    if (batch.length === 0) break;
    for (const received of batch) {
      if (await handle(agent, received)) outcome.handled++;
      else outcome.failed++;
    }
  }
  return outcome;
}

/** The agent: counts words. Its result is stored in the same step in which the message is acknowledged. */
async function handle(agent: AgentId, received: ReceivedMessage): Promise<boolean> {
  const { payload, messageId } = received.message;
  if (typeof payload.text !== "string") {
    await received.nack({ failure: "permanent", error: "payload.text must be a string" });
    return false;
  }
  const value = { messageId, words: payload.text.trim().split(/\s+/).length };
  const key = ["results", agent.type, messageId];
  return await received.ack({ also: { operations: [{ type: "set", key, value, expiresInMs: RESULT_KEPT_MS }] } });
}

async function results(agent: AgentId): Promise<unknown[]> {
  const entries = await Array.fromAsync(backend.list(["results", agent.type], { limit: 100 }));
  return entries.map(({ value }) => value);
}
