/** Lua: ends the expired leases of some queues. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/**
 * `ARGV`: the encoded names of queues. Returns whether that is all, and how many leases it ended. O(q log n + k log n)
 * for q queues, k leases.
 */
export const RECOVER = script(
  PRELUDE,
  SETTLE,
  `
local isAll, ended = 1, 0
for _, name in ipairs(ARGV) do
  local isSettled, count = settle(open(name))
  ended = ended + count
  if not isSettled then isAll = 0 end
end
remember()
return {'ok', isAll, ended}
`,
);
