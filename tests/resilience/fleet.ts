/** A fleet of real processes that share a circuit breaker, some of which die while they probe. @module */

import { assert, assertEquals } from "@std/assert";

/** How the fleet is made up. */
export interface FleetPlan {
  readonly processes: number;
  /** How many times the breaker is to close after having opened. */
  readonly cycles: number;
  /** The share of probes in which the process is killed. */
  readonly deaths: number;
}

const LIMIT = 3;
const OPTIONS = {
  name: "fleet",
  failureThreshold: 1,
  halfOpenMaxCalls: LIMIT,
  successThreshold: 2,
  openMs: 50,
  probeLeaseMs: 400,
  pollIntervalMs: 200,
  // What is tested is what the fleet agrees upon: else a process that a busy machine keeps from the store goes on alone.
  strict: true,
  storeTimeoutMs: 5000,
};

// A lease, an open time and a start of a process take a second; on a machine that is busy with more than these, minutes.
const WEDGED_MS = 120_000;

/** What a process has said: what happened, in which state and generation. */
interface Line {
  readonly what: string;
  readonly state: string;
  readonly generation: number;
}

/** Trips and recovers again and again: no cycle has more probes than the limit, each transition is told once, no wedge. */
export async function testBreakerFleet(url: string, { processes, cycles, deaths }: FleetPlan): Promise<void> {
  const lines: Line[] = [];
  const members = Array.from({ length: processes }, () => new Member(url, deaths, lines));
  try {
    let newest = 0;
    let movedAtMs = Date.now();
    while (generationsClosed(lines).size < cycles) {
      const generation = Math.max(0, ...lines.map((line) => line.generation));
      if (generation > newest) [newest, movedAtMs] = [generation, Date.now()];
      assert(Date.now() - movedAtMs < WEDGED_MS, `the breaker is wedged in generation ${newest}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
  checkProbes(lines);
  checkTransitions(lines);
  const probes = lines.filter(({ what }) => what === "probe").length;
  const died = lines.filter(({ what }) => what === "death").length;
  // Of 30 probes, fewer than half of the share die in one run of thirty; none, in one of forty thousand.
  assert(died > 0, `none of ${probes} probes has died`);
}

function generationsClosed(lines: readonly Line[]): Set<number> {
  return new Set(
    lines.filter(({ what, state }) => isOwn(what) && state === "closed").map(({ generation }) => generation),
  );
}

function isOwn(what: string): boolean {
  return what === "here" || what === "elsewhere";
}

/** All probes of one half-open generation, one after the other or at once, are no more than the limit. */
function checkProbes(lines: readonly Line[]): void {
  const probes = new Map<number, number>();
  for (const { what, state, generation } of lines) {
    if (what !== "probe") continue;
    assertEquals(state, "half_open");
    probes.set(generation, (probes.get(generation) ?? 0) + 1);
  }
  for (const [generation, count] of probes) assert(count <= LIMIT, `${count} probes in generation ${generation}`);
}

/** Each generation is one state, and no two processes say that they have made it. */
function checkTransitions(lines: readonly Line[]): void {
  const states = new Map<number, string>();
  const makers = new Set<number>();
  for (const { what, state, generation } of lines) {
    if (!isOwn(what)) continue;
    assertEquals(states.get(generation) ?? state, state, `generation ${generation} is two states`);
    states.set(generation, state);
    if (what !== "here") continue;
    assert(!makers.has(generation), `generation ${generation} was made twice`);
    makers.add(generation);
  }
}

/** A process, and the one after it when it dies. */
class Member {
  readonly #start: () => Deno.ChildProcess;
  readonly #lines: Line[];
  readonly #running: Promise<void>;
  #child: Deno.ChildProcess;
  #isOver = false;

  constructor(url: string, deaths: number, lines: Line[]) {
    const script = new URL("fleet_process.ts", import.meta.url).pathname;
    const flags = ["run", "--allow-all", "--no-check", "--unstable-kv"];
    this.#lines = lines;
    this.#start = () =>
      new Deno.Command(Deno.execPath(), {
        args: [...flags, script, url, JSON.stringify(OPTIONS), String(deaths)],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
    this.#child = this.#start();
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#child.stdin.close().catch(() => {}); // it may have died
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#read(this.#child.stdout);
      await this.#child.status;
      if (this.#isOver) return;
      await this.#child.stdin.close().catch(() => {});
      this.#child = this.#start();
    }
  }

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let unread = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      const [last = "", ...whole] = (unread + text).split("\n").reverse();
      unread = last;
      for (const line of whole.reverse()) {
        const [what = "", state = "", generation = ""] = line.split(" ");
        this.#lines.push({ what, state, generation: Number(generation) });
      }
    }
  }
}
