/** Lua: ends the expired leases of some queues. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/** `ARGV`: the encoded names of queues. Returns how many leases it ended. O(q log n + k log n) for q queues, k leases. */
export const RECOVER = script(
  PRELUDE,
  SETTLE,
  `
local expired = 0
for _, name in ipairs(ARGV) do expired = expired + settle(open(name)) end
remember()
return {'ok', expired}
`,
);
