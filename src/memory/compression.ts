/** Makes large texts small, with what the platform brings. @module */

import { decodeBase64, encodeBase64 } from "./base64.ts";

/** The text, compressed, as base64. */
export async function compress(text: string): Promise<string> {
  return encodeBase64(await pipe(new TextEncoder().encode(text), new CompressionStream("deflate-raw")));
}

/** The text that was compressed. */
export async function decompress(packed: string): Promise<string> {
  return new TextDecoder().decode(await pipe(decodeBase64(packed), new DecompressionStream("deflate-raw")));
}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  through: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(through);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
