/** The URL of a server: checked before the client reads it, and as a name without its secrets. @module */

/**
 * What to call a server in logs: its URL without user, password, database and settings.
 *
 * @throws {TypeError} When it is none. No error repeats it.
 */
export function serverName(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !isServer(parsed)) {
    throw new TypeError(
      "Cannot use url: it must be of the form redis://host:port/database, or begin with rediss: for TLS",
    );
  }
  return `${parsed.protocol}//${parsed.host}`;
}

/** The client would take another database for one that is no number, and not say what is wrong with a login. */
function isServer({ protocol, hostname, pathname, username, password }: URL): boolean {
  return /^rediss?:$/.test(protocol) && hostname !== "" && /^\/?\d*$/.test(pathname) && isEncoded(username + password);
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
