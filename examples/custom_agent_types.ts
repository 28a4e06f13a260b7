/** An agent type is any string, and a type may have many instances; broadcasts find those who subscribed. @module */

// deno-lint-ignore-file no-console -- an example shows what it does

import { type AgentId, MessageCoordinator, serveAgent } from "@tta/agent-coordination";
import { openBackend } from "@tta/agent-coordination/open";

await using backend = await openBackend(Deno.env.get("TTA_BACKEND_URL") ?? "memory:");
const coordinator = new MessageCoordinator(backend);

const translators: AgentId[] = ["de", "fr", "日本語"].map((instance) => ({ type: "translator", instance }));
const heard: string[] = [];
const servers = translators.map((agentId) =>
  serveAgent(coordinator, {
    agentId,
    process: ({ payload }) => {
      heard.push(`${agentId.instance} heard about ${payload.title}`);
      return { translatedBy: agentId.instance ?? "" };
    },
  })
);

for (const translator of translators) {
  await coordinator.subscribeToMessages(translator, ["event"], { topics: ["documents"] });
}
const results = await coordinator.broadcastMessage({ type: "editor" }, {
  payload: { title: "the new chapter" },
  routing: { topic: "documents" },
});
console.log(`reached ${results.filter((result) => result.delivered).length} translators`);

const reply = await coordinator.request({ type: "translator", instance: "fr" }, { title: "one page" });
console.log(`the page was translated by ${reply.payload.translatedBy}`);

await Promise.all(servers.map((server) => server.stop()));
console.log(heard.sort().join("\n"));
