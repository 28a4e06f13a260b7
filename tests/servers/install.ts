/** Finds a server's program, or installs Debian's package where that is allowed. @module */

const DIRECTORIES = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];
const INSTALL_LIMIT_MS = 180_000;

/**
 * Where a program is; `null` where it is not and cannot be installed, after saying so in one line. Only root installs
 * anything, and only where there is `apt-get`.
 */
export async function findOrInstall(program: string, debianPackage: string): Promise<string | null> {
  const found = find(program);
  if (found !== null) return found;
  const aptGet = find("apt-get");
  let why = "there is no apt-get to install it with";
  if (aptGet !== null) why = Deno.uid() === 0 ? await install(aptGet, debianPackage) : "only root may install it";
  const installed = find(program);
  // deno-lint-ignore no-console -- whoever runs the tests must see what they do without
  if (installed === null) console.warn(`There is no ${program} here (${why}): what needs it is left out`);
  return installed;
}

function find(program: string): string | null {
  const directories = [...(Deno.env.get("PATH") ?? "").split(":"), ...DIRECTORIES].filter((each) => each !== "");
  return directories.map((directory) => `${directory}/${program}`).find(isFile) ?? null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Installs a package without starting what it brings, and tells why it could not. Waits for others who install. */
async function install(aptGet: string, debianPackage: string): Promise<string> {
  const lock = ["-o", "DPkg::Lock::Timeout=120", "-q", "-y"];
  await run(aptGet, [...lock, "update"]);
  const error = await run(aptGet, [...lock, "install", "--no-install-recommends", debianPackage]);
  return error === null ? "it is not part of the package" : `apt-get failed: ${error}`;
}

async function run(program: string, args: readonly string[]): Promise<string | null> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    // At run level 1, Debian's packages start no service.
    env: { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(INSTALL_LIMIT_MS),
  }).output();
  return success ? null : new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
}
