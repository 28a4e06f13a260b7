/** A fleet of agents: who is there, who falls silent, and what a successor remembers. @module */

// deno-lint-ignore-file no-console -- an example shows what it does

import { AgentRegistry, MemoryBackend } from "@tta/agent-coordination";

await using backend = new MemoryBackend(); // SqliteBackend or RedisBackend, and the two are real processes
const times = { heartbeatTtlMs: 300, suspicionMs: 150 }; // 30 and 15 seconds by default
await using office = new AgentRegistry(backend, times);
const workshop = new AgentRegistry(backend, times);
const ada = { type: "writer", instance: "ada" };
let chapters = 0;

const watching = (async () => {
  for await (const event of office.watch({ type: "writer" })) {
    console.log(`office: ${event.type}`);
    if (event.type === "death") return;
  }
})();
await office.startHeartbeats();

await workshop.startHeartbeats();
await workshop.register({ id: ada, metadata: { model: "small" }, exportState: () => ({ chapters }) });
await workshop.setStatus(ada, "busy");
chapters = 3;
await workshop.heartbeat(ada); // saves the state, as each heartbeat does
for (const { agentId, status, metadata } of await office.discover("writer")) {
  console.log(`${agentId.instance} is ${status}, with the ${metadata.model} model`);
}

await workshop.stopHeartbeats(); // as if its process had been killed
await watching;

const successor = await office.register({
  id: ada,
  importState: (state) => console.log("ada goes on with", JSON.stringify(state)),
});
console.log("restored:", successor.restored);
await workshop.close(); // its own ada is registered no more, and that changes nothing of the successor
console.log("writers:", (await office.discover("writer")).length);
