/** No server outlives the tests, even those that are ended in the middle. @module */

import { assert } from "@std/assert";
import { GuardedProcess } from "./guarded.ts";
import { until } from "../until.ts";

guardedTest("GuardedProcess ends with the process that started it", async () => {
  const program = new URL("./guarded.ts", import.meta.url);
  const code = `
    import { GuardedProcess } from ${JSON.stringify(program.href)};
    const { pid } = await GuardedProcess.start("sleep", ["600"]);
    console.log(pid);
    Deno.exit();
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", code] }).output();
  const pid = Number(new TextDecoder().decode(stdout));
  assert(pid > 1);
  await until("the server has ended", () => !isAlive(pid));
});

guardedTest("GuardedProcess ends when its guard is killed", async () => {
  const server = await GuardedProcess.start("sleep", ["600"]);
  assert(isAlive(server.pid));
  const guard = (await Deno.readTextFile(`/proc/${server.pid}/stat`)).split(") ")[1]?.split(" ")[1];
  const outer = (await Deno.readTextFile(`/proc/${guard}/stat`)).split(") ")[1]?.split(" ")[1];
  Deno.kill(Number(outer), "SIGKILL");
  await server.kill();
  await until("the server has ended", () => !isAlive(server.pid));
});

function guardedTest(name: string, fn: () => Promise<void>): void {
  // The processes are looked at through /proc, which Linux alone has.
  Deno.test({ name, ignore: Deno.build.os !== "linux", fn });
}

function isAlive(pid: number): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}
