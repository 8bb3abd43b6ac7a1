// Node's `url`, as far as @vscode/debugadapter uses it: the class that browsers have too.
export const URL = globalThis.URL;
