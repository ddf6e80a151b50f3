declare module 'libpg-query/wasm/libpg-query.js' {
  /** Loads and instantiates the WASM file beside it. */
  export default function createModule<Module>(): Promise<Module>
}
