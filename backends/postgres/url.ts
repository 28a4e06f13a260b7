/** What a URL says of a server and of who connects to it, as libpq reads it. @module */

/** A URL, taken apart. What it does not say, the client takes from the environment. */
export interface ServerUrl {
  /** What to call the server in logs: free of credentials and settings. */
  readonly name: string;
  /**
   * The server and who connects, as options of the client. A host that begins with a slash is a directory with a
   * socket.
   */
  readonly place: Readonly<Record<string, string | readonly string[] | readonly number[]>>;
  /** A URL with the other settings, and nothing else. */
  readonly settings: string;
}

// Of several hosts, each may have its port; an address of IPv6 stands alone, and in brackets.
const FORM =
  /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?(\[[^\]]*\](?::\d*)?|[^/?#@:,]*(?::\d*)?(?:,[^/?#@:,]+(?::\d*)?)*)(?:\/([^?#]*))?(\?[^#]*)?$/i;
const IPV6 = /^\[?([\da-f]*:[\da-f]*:[\da-f:.]*)\]?$/i;

/** Where a server listens of which nobody says otherwise. */
export const DEFAULT_PORT = 5432;

/**
 * Takes a URL apart. Its settings, such as `?host=/var/run/postgresql`, go before what stands in front of them.
 *
 * @throws {TypeError} When it is none. No error repeats it.
 */
export function parseUrl(url: string): ServerUrl {
  const [whole, userinfo = "", authority = "", path = "", query] = FORM.exec(url) ?? [];
  // deno-coverage-ignore -- the compiler asks for it: any text is of this form
  const [, user, password] = /^([^:]*):?(.*)$/s.exec(userinfo) ?? [];
  const [, one = authority, onePort] = /^(\[.*\]|[^,:]*):(\d*)$/.exec(authority) ?? [];
  const settings = new URLSearchParams(query);
  const place: Record<string, string> = {};
  const written = { host: one, port: onePort, user, password, dbname: path };
  for (const [name, value = ""] of Object.entries(written)) {
    const text = settings.get(name) || decode(value);
    if (whole === undefined || text === null) {
      throw new TypeError("Cannot use url: it must be of the form postgres://host:port/database");
    }
    if (text !== "") place[name] = text;
    settings.delete(name);
  }
  const { dbname: database = "", ...rest } = place;
  const { host = "", port } = rest;
  if (host.startsWith("/")) settings.delete("sslmode"); // nobody listens between
  const [, address] = IPV6.exec(host) ?? [];
  const shown = (address === undefined ? host.replaceAll("/", "%2F") : `[${address}]`) + (port ? `:${port}` : "");
  // The client would take what follows the first colon of a text for a port.
  const apart = address !== undefined && { host: [address], port: [Number(port ?? DEFAULT_PORT)] };
  return {
    name: `postgres://${shown}/${database}`,
    place: { ...rest, ...apart, database },
    settings: `postgres:///?${settings}`,
  };
}

/** Text without its percent signs; `null` where they stand for nothing. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
