// The shapes of the manifest's VS Code keys, as far as this extension uses them. They stand here so that a misspelt key or an unknown menu
// does not compile, instead of being ignored by the editor without a word.

/** A JSON schema as launch.json uses it: types, descriptions, defaults, enumerations. */
export interface AttributeSchema {
  type: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  markdownDescription: string;
  default?: unknown;
  enum?: readonly string[];
  markdownEnumDescriptions?: readonly string[];
  minimum?: number;
  maximum?: number;
  multipleOf?: number;
  pattern?: string;
  patternErrorMessage?: string;
  items?: Omit<AttributeSchema, 'markdownDescription'> & { markdownDescription?: string };
  properties?: Record<string, AttributeSchema>;
  additionalProperties?: boolean | { type: 'string' };
  required?: readonly string[];
}

export interface Command {
  command: `abyme.${string}`;
  title: string;
  shortTitle?: string;
  category?: 'Abyme';
  icon?: `$(${string})`;
  enablement?: string;
}

export type Menu = 'commandPalette' | 'editor/title/run' | 'explorer/context' | 'view/title' | 'view/item/context' | 'debug/callstack/context'
  | 'debug/variables/context' | 'debug/watch/context' | 'editor/title';

export interface MenuItem {
  command: Command['command'];
  when?: string;
  group?: string;
}

export interface Snippet {
  label: string;
  description: string;
  body: Record<string, unknown>;
}

export interface Contributions {
  breakpoints: readonly { language: string }[];
  commands: readonly Command[];
  debuggers: readonly unknown[];
  grammars: readonly { language: string; scopeName: string; path: string }[];
  languages: readonly { id: string; aliases: readonly string[]; extensions: readonly string[]; configuration: string }[];
  menus: Partial<Record<Menu, readonly MenuItem[]>>;
  views: Record<string, readonly { id: string; name: string; icon: string; contextualTitle: string; when?: string }[]>;
  viewsWelcome: readonly { view: string; contents: string; when?: string }[];
  walkthroughs: readonly unknown[];
}

/** Every key of package.json that the editor or the marketplace reads; `tools/generate-contributions.mjs` writes these and no other. */
export interface Manifest {
  displayName: string;
  publisher: string;
  categories: readonly string[];
  keywords: readonly string[];
  icon: string;
  galleryBanner: { color: string; theme: 'dark' | 'light' };
  main: string;
  browser: string;
  activationEvents: readonly string[];
  capabilities: { untrustedWorkspaces: { supported: true | 'limited'; description?: string }; virtualWorkspaces: true };
  contributes: Contributions;
}
