// Checks a launch configuration against the schema that the manifest contributes, and says in one sentence each what is wrong.
// Only the keywords of JSON Schema that the schema uses are known; the manifest's own types (tools/contributions) admit no others.

interface Schema {
  type?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  multipleOf?: number;
  pattern?: string;
  patternErrorMessage?: string;
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: boolean | Schema;
  required?: readonly string[];
}

const articles: Record<string, string> = {
  string: 'a string', number: 'a number', integer: 'a whole number', boolean: 'true or false', array: 'an array', object: 'an object',
};

/**
 * The mistakes in `configuration`, each a sentence that names the attribute as a path (`modules[1].image`); empty when there are none.
 * Attributes that `properties` does not name are the editor's own, or a typing error that launch.json's editor underlines: left alone.
 */
export function checkConfiguration(configuration: Readonly<Record<string, unknown>>, properties: Readonly<Record<string, Schema>>): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => configuration[name] === undefined ? [] : checkValue(configuration[name], schema, name));
}

function checkValue(value: unknown, schema: Schema, where: string): string[] {
  if (schema.type !== undefined && !hasType(value, schema.type)) return [`'${where}' must be ${articles[schema.type] ?? schema.type}; it is ${shown(value)}.`];
  if (schema.enum && !schema.enum.includes(value as string)) return [`'${where}' must be one of ${schema.enum.map((each) => `'${each}'`).join(', ')}; it is ${shown(value)}.`];
  if (typeof value === 'number') return checkRange(value, schema, where);
  if (typeof value === 'string') {
    return schema.pattern === undefined || new RegExp(schema.pattern).test(value) ? [] : [`'${where}' is ${shown(value)}. ${schema.patternErrorMessage ?? `It must match ${schema.pattern}.`}`];
  }
  if (Array.isArray(value)) return schema.items ? value.flatMap((item, index) => checkValue(item, schema.items!, `${where}[${index}]`)) : [];
  return isObject(value) ? checkObject(value, schema, where) : [];
}

function checkRange(value: number, { minimum = -Infinity, maximum = Infinity, multipleOf = 0 }: Schema, where: string): string[] {
  if (value >= minimum && value <= maximum) return multipleOf > 0 && value % multipleOf !== 0 ? [`'${where}' must be a multiple of ${multipleOf}; it is ${value}.`] : [];
  const range = maximum === Infinity ? `at least ${minimum}` : minimum === -Infinity ? `at most ${maximum}` : `between ${minimum} and ${maximum}`;
  return [`'${where}' must be ${range}; it is ${value}.`];
}

function checkObject(value: Record<string, unknown>, schema: Schema, where: string): string[] {
  const missing = (schema.required ?? []).filter((name) => value[name] === undefined).map((name) => `'${where}' lacks '${name}'.`);
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const rule = schema.properties?.[name] ?? schema.additionalProperties;
    if (rule === false) return [`'${where}' has no attribute '${name}'; it knows ${Object.keys(schema.properties ?? {}).map((each) => `'${each}'`).join(', ')}.`];
    return typeof rule === 'object' ? checkValue(inner, rule, `${where}.${name}`) : [];
  });
  return [...missing, ...wrong];
}

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'integer': return Number.isInteger(value);
    case 'array': return Array.isArray(value);
    case 'object': return isObject(value);
    default: return typeof value === type;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
