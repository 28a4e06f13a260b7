/** The types of `jsr:@deno/dnt` that scripts/build_npm.ts uses, to check it where JSR cannot be reached. @module */

/** A door of the package. */
export interface EntryPoint {
  kind?: "bin" | "export";
  name?: string;
  path: string;
}

/** What to build, and how. */
export interface BuildOptions {
  entryPoints: (string | EntryPoint)[];
  outDir: string;
  shims: { deno?: boolean | "dev" };
  polyfills?: boolean | { [name: string]: boolean };
  typeCheck?: "both" | "single" | false;
  test?: boolean;
  declaration?: "inline" | "separate" | false;
  scriptModule?: "cjs" | "umd" | false;
  skipSourceOutput?: boolean;
  compilerOptions?: { target?: "ES2021" | "ES2022" | "ES2023" | "Latest"; lib?: ("ESNext" | "DOM" | "DOM.Iterable")[] };
  package: {
    name: string;
    version: string;
    description?: string;
    keywords?: string[];
    homepage?: string;
    bugs?: { url?: string; email?: string } | string;
    license?: string;
    repository?: string | { type: string; url: string; directory?: string };
    devDependencies?: { [packageName: string]: string };
    engines?: { [engineName: string]: string };
  };
  postBuild?: () => void | Promise<void>;
}

/** Builds the package. */
export declare function build(options: BuildOptions): Promise<void>;

/** Empties a directory, or makes it. */
export declare function emptyDir(dir: string | URL): Promise<void>;
