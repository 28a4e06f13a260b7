/** Installs the peers for Node, once for each state of their lock file. @module */

// deno-lint-ignore-file no-console -- whoever waits for minutes is told why

const DIRECTORY = new URL("node/", import.meta.url);
const INSTALLED = new URL("node_modules/.installed-lock", DIRECTORY);

/**
 * Makes sure that `node/node_modules` is what its lock file says; takes minutes where a native part has to be built.
 * A peer that cannot be built here is left out: its comparison fails, and no other.
 */
export async function installPeers(): Promise<void> {
  const lock = await Deno.readTextFile(new URL("package-lock.json", DIRECTORY));
  if (await readIfThere(INSTALLED) === lock) return;
  console.error("Installing the peers, once; native parts may take minutes to build");
  const { success } = await new Deno.Command("npm", {
    args: ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    cwd: DIRECTORY,
    env: await nodeHeaders(),
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn().status;
  if (!success) throw new Error("Cannot install the peers: npm ci failed");
  await Deno.writeTextFile(INSTALLED, lock);
}

/** Where the headers of this Node are, if it came with them: native parts are built from them without a download. */
async function nodeHeaders(): Promise<Record<string, string>> {
  const { stdout } = await new Deno.Command("node", { args: ["-p", "process.execPath"] }).output();
  const prefix = new TextDecoder().decode(stdout).trim().replace(/\/bin\/node$/, "");
  const headers = await readIfThere(new URL(`file://${prefix}/include/node/node_version.h`));
  return headers === null ? {} : { npm_config_nodedir: prefix };
}

async function readIfThere(file: URL): Promise<string | null> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
