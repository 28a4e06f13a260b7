/** Two agents and one message: send, receive, acknowledge. @module */

// deno-lint-ignore-file no-console -- an example shows what it does

import { MessageCoordinator, MessagePriority } from "@tta/agent-coordination";
import { openBackend } from "@tta/agent-coordination/open";

// "sqlite:agents.sqlite" keeps the messages in a file, "redis://localhost" shares them with other hosts.
await using backend = await openBackend(Deno.env.get("TTA_BACKEND_URL") ?? "memory:");
const coordinator = new MessageCoordinator(backend);
const editor = { type: "editor" };
const writer = { type: "writer" };

await coordinator.sendMessage(editor, writer, { payload: { task: "draft a title" } });
await coordinator.sendMessage(editor, writer, { payload: { task: "fix the typo" }, priority: MessagePriority.HIGH });

for (const received of await coordinator.receive(writer, { limit: 10 })) {
  console.log(`writer: ${received.message.payload.task}`);
  await received.ack();
}
console.log("mailboxes that hold anything:", (await coordinator.stats()).length);
