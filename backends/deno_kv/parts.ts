/** The parts of one backend, for one another. @module */

import type { Clock } from "../../src/clock.ts";
import type { Contents } from "./content.ts";
import type { Engine } from "./engine.ts";
import type { Layout } from "./layout.ts";
import type { Lines } from "./line.ts";
import type { Ranks } from "./ranks.ts";
import type { Wakes } from "./wakes.ts";

/** What the parts of one backend share. */
export interface Parts {
  readonly engine: Engine;
  readonly layout: Layout;
  readonly contents: Contents;
  readonly lines: Lines;
  readonly ranks: Ranks;
  readonly wakes: Wakes;
  readonly clock: Clock;
  /** Told of queues that got their first counters, and of parents that got a feed. */
  readonly onAdded: (count: number) => void;
}
