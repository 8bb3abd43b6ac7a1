// Fills the tables of MANUAL.md from the data that they describe: launch attributes, stop filters, errors. `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTypeScript } from './load-typescript.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (name) => path.join(root, name);
const { launchAttributes } = await loadTypeScript(at('tools/contributions/launch-attributes.ts'));
const { stopFilters } = await loadTypeScript(at('src/inspector/run-control/stop-filters.ts'));
const { userErrors } = await loadTypeScript(at('src/debug-adapter/user-errors.ts'));

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

const sections = {
  launch: table(['attribute', 'type', 'meaning'], Object.entries(launchAttributes).map(([name, schema]) => {
    const kind = schema.enum ? schema.enum.map((value) => `\`${value}\``).join(' or ') : schema.type;
    const choices = (schema.markdownEnumDescriptions ?? []).map((text, n) => ` \`${schema.enum[n]}\`: ${text}`).join('');
    const initial = schema.default === undefined ? '' : ` Default: \`${schema.default}\`.`;
    return [`\`${name}\``, kind, `${schema.markdownDescription}${choices}${initial}`];
  })),
  filters: table(['id', 'stops at', 'list'], stopFilters.map(({ id, label, description, common, enabled }) =>
    [`\`${id}\``, `**${label}.** ${description}`, enabled ? 'shown, on' : common ? 'shown' : ''])),
  errors: table(['number', 'message', 'what to do'], Object.values(userErrors).map(({ number, what, fix }) => [String(number), what, fix])),
};

const file = at('MANUAL.md'), text = readFileSync(file, 'utf8');
const filled = text.replace(/<!-- begin (\w+) -->[^]*?<!-- end \1 -->/g, (_, name) => `<!-- begin ${name} -->\n${sections[name]}\n<!-- end ${name} -->`);
if (process.argv.includes('--check')) {
  if (filled !== text) { console.error('MANUAL.md is not current: node tools/generate-manual.mjs'); process.exit(1); }
} else writeFileSync(file, filled);
