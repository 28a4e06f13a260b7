/** One process of the fleet test: registers its agents, says so, and lives until it is killed or its input ends. @module */

import { openBackend } from "../../backends/open.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";

const [url = "", name = "", count = "0", ttlMs = "0", suspicionMs = "0"] = Deno.args;
const backend = await openBackend(url);
const registry = new AgentRegistry(backend, { heartbeatTtlMs: Number(ttlMs), suspicionMs: Number(suspicionMs) });
await registry.startHeartbeats();
const registrations = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => {
    const state = { name: `${name}-${index}`, lives: 1 };
    return registry.register({
      id: { type: "worker", instance: state.name },
      exportState: () => ({ ...state }),
      importState: (saved) => {
        const lives = Reflect.get(Object(saved), "lives");
        if (Reflect.get(Object(saved), "name") !== state.name) throw new Error("it is another's state");
        state.lives = Number(lives) + 1;
      },
    });
  }),
);
await registry.heartbeat({ type: "worker", instance: `${name}-0` }); // the states are saved
const restored = registrations.filter((registration) => registration.restored).length;
await Deno.stdout.write(new TextEncoder().encode(`ready ${restored}\n`));
for await (const _ of Deno.stdin.readable) { /* until it ends */ }
await registry.close();
await backend.close();
