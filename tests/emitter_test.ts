import { assert, assertEquals, assertThrows } from "@std/assert";
import { Emitter } from "../src/emitter.ts";

function emitter(): Emitter<{ readonly said: string; readonly done: null }> {
  return new Emitter({ said: new Set(), done: new Set() });
}

Deno.test("Emitter.emit() tells those who listen to the type, each as often as it listens", () => {
  const events = emitter();
  const told: string[] = [];
  const tell = (text: string) => void told.push(text);
  const off = events.on("said", tell);
  events.on("said", tell);
  events.on("done", () => void told.push("done"));
  events.emit("said", "a");
  off();
  off(); // ends one of both, once
  events.emit("said", "b");
  assertEquals(told, ["a", "a", "b"]);
});

Deno.test("Emitter.emit() bears a listener that throws", () => {
  const events = emitter();
  const told: string[] = [];
  events.on("said", () => {
    throw new Error("a fault of the listener");
  });
  events.on("said", (text) => void told.push(text));
  events.emit("said", "a");
  assertEquals(told, ["a"]);
});

Deno.test("Emitter.watched says whether anybody listens, to whatever type", () => {
  const events = emitter();
  assert(!events.watched);
  const offs = [events.on("said", () => {}), events.on("done", () => {})];
  for (const off of offs) {
    assert(events.watched);
    off();
    off(); // counts once
  }
  assert(!events.watched);
});

Deno.test("Emitter.on() refuses a type that there is not, also one that every object has", () => {
  for (const type of ["other", "toString"]) {
    assertThrows(() => emitter().on(type as "said", () => {}), TypeError, "it must be one of said, done");
  }
});
