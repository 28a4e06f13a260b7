/** Makes large texts small, with what the platform brings. @module */

/** The text, compressed, as base64. */
export async function compress(text: string): Promise<string> {
  return encodeBase64(await pipe(new TextEncoder().encode(text), new CompressionStream("deflate-raw")));
}

/** The text that was compressed. */
export async function decompress(packed: string): Promise<string> {
  return new TextDecoder().decode(await pipe(decodeBase64(packed), new DecompressionStream("deflate-raw")));
}

/** Bytes as base64. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  // In pieces: a call takes a limited number of arguments.
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary);
}

/** The bytes that base64 stands for. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  through: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(through);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
