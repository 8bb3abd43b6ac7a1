// The local web host: unpacking, patching, and what its routes give away and what not.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const tool = async (name: string) => import(new URL(`../../tools/web-host/${name}`, import.meta.url).href);

describe('the tar reader', () => {
  /** One entry: a header with its checksum, and the content in blocks of 512 bytes. */
  function entry(name: string, content: string, type = '0', prefix = ''): Buffer {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(content.length.toString(8).padStart(11, '0'), 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar\0', 257);
    header.write(prefix, 345);
    header.write(header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\0 ', 148);
    return Buffer.concat([header, Buffer.from(content), Buffer.alloc((512 - content.length % 512) % 512)]);
  }
  const read = async (...entries: Buffer[]): Promise<[string, string][]> => {
    const { readTar } = await tool('tar-reader.mjs');
    return [...readTar(Buffer.concat([...entries, Buffer.alloc(1024)]))].map(({ name, content }: { name: string; content: Buffer }) => [name, content.toString()]);
  };
  const pax = (text: string) => `${String(text.length + 3).length + text.length + 2} ${text}\n`;

  it('reads files and passes folders and links by', async () => {
    expect(await read(entry('a/', '', '5'), entry('a/b.txt', 'hello'), entry('l', '', '2'), entry('c', 'x'.repeat(513)))).toEqual([['a/b.txt', 'hello'], ['c', 'x'.repeat(513)]]);
  });
  it('joins the prefix', async () => expect(await read(entry('c.txt', '1', '0', 'long/path'))).toEqual([['long/path/c.txt', '1']]));
  it('takes the path of a pax header for the next entry only', async () => {
    expect(await read(entry('x', pax('path=real/name'), 'x'), entry('short', '1'), entry('other', '2'))).toEqual([['real/name', '1'], ['other', '2']]);
  });
  it('takes a GNU long name', async () => expect(await read(entry('x', 'very/long\0', 'L'), entry('short', '1'))).toEqual([['very/long', '1']]));
  it('refuses what is no archive', async () => await expect(read(Buffer.alloc(512, 7))).rejects.toThrow(/wrong header checksum at byte 0/));
});

describe('the patches of the workbench', () => {
  const patches = [['before', 'after'], ['x=1', 'x=2']];
  const patch = async (text: string) => (await tool('server.mjs')).patchWorkbench(text, patches);

  it('replaces each string once', async () => expect(await patch('a before b x=1 c')).toBe('a after b x=2 c'));
  it('fails when one is missing', async () => await expect(patch('a before b')).rejects.toThrow(/'x=1' occurs 0 times, not once/));
  it('fails when one occurs twice', async () => await expect(patch('before before x=1')).rejects.toThrow(/'before' occurs 2 times/));
});

describe('the server', () => {
  let root: string;
  let host: { url: string; close(): Promise<void> };

  beforeAll(async () => {
    root = mkdtempSync(path.join(os.tmpdir(), 'abyme-host-'));
    const make = (name: string, text: string) => {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    };
    make('build/out/vs/code/browser/workbench/workbench.js', 'P.file(this.userDataPath).with({scheme:J.vscodeRemote}),"User");let e={...JSON.parse(o),remoteAuthority:location.host}');
    make('build/out/vs/code/browser/workbench/workbench.html', '<meta data-settings="{{WORKBENCH_WEB_CONFIGURATION}}">{{UNKNOWN}}');
    make('extension/package.json', '{}');
    make('folder/a.txt', 'text');
    make('secret.txt', 'secret');
    symlinkSync(path.join(root, 'secret.txt'), path.join(root, 'folder', 'link.txt'));
    const { startWebHost } = await tool('server.mjs');
    host = await startWebHost({ build: path.join(root, 'build'), extension: path.join(root, 'extension'), folder: path.join(root, 'folder'), writable: true });
  });
  afterAll(async () => {
    await host.close();
    rmSync(root, { recursive: true });
  });

  /** node:http leaves paths and headers as they are, where fetch would tidy them. */
  interface Question { method?: string; headers?: Record<string, string>; body?: string }
  const ask = (route: string, { method = 'GET', headers = {}, body = '' }: Question = {}) => new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: new URL(host.url).port, path: route, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => text += chunk);
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

  it('serves the page with the configuration in it', async () => {
    const { status, text } = await ask('/', { headers: { host: 'localhost:1' } });
    expect(status).toBe(200);
    expect(text).toContain('&quot;path&quot;:&quot;/folder&quot;');
    expect(text).not.toContain('{{UNKNOWN}}');
  });
  it('serves the patched workbench', async () => expect((await ask('/static/build/out/vs/code/browser/workbench/workbench.js')).text).toBe('P.file("/").with({scheme:J.vscodeUserData}),"User");let e={...JSON.parse(o)}'));

  it.each<[string, number, string | RegExp]>([
    ['/workspace/read?path=/folder/a.txt', 200, 'text'],
    ['/workspace/list?path=/folder', 200, /"a.txt",1/],
    ['/workspace/stat?path=/folder', 200, /"type":2/],
    ['/workspace/stat?path=/folder/none', 404, /./],
    ['/workspace/stat?path=/', 404, /./],
    ['/workspace/read?path=/folder/../secret.txt', 404, /./],
    ['/workspace/read?path=/../secret.txt', 404, /./],
    ['/workspace/read?path=/folder/link.txt', 403, /outside/],
    ['/workspace/burn?path=/folder', 405, /./],
    ['/static/extension/package.json', 200, '{}'],
    ['/static/extension/../secret.txt', 404, /./],
    ['/static/extension/%2e%2e/secret.txt', 404, /./],
    ['/secret.txt', 404, /./],
  ])('GET %s: %i', async (route, status, text) => {
    const answer = await ask(route);
    expect(answer.status).toBe(status);
    if (typeof text === 'string') expect(answer.text).toBe(text);
    else expect(answer.text).toMatch(text);
    expect(answer.text).not.toContain('secret');
  });

  it('writes, renames and deletes inside the folder', async () => {
    expect((await ask('/workspace/write?path=/folder/new.txt', { method: 'POST', body: 'new' })).status).toBe(200);
    expect((await ask('/workspace/rename?path=/folder/new.txt&to=/folder/newer.txt', { method: 'POST' })).status).toBe(200);
    expect(readFileSync(path.join(root, 'folder', 'newer.txt'), 'utf8')).toBe('new');
    expect((await ask('/workspace/delete?path=/folder/newer.txt', { method: 'POST' })).status).toBe(200);
    expect((await ask('/workspace/rename?path=/folder/a.txt&to=/elsewhere/a.txt', { method: 'POST' })).status).toBe(404);
  });

  it.each<[string, Record<string, string>]>([
    ['another site', { origin: 'https://example.org' }], ['another site by name', { host: 'example.org' }], ['a name that only begins like ours', { origin: 'http://localhost.example.org' }],
  ])('refuses %s', async (_, headers) => expect((await ask('/workspace/read?path=/folder/a.txt', { headers })).status).toBe(403));

  it('refuses to write for a page without an origin', async () => expect((await ask('/workspace/write?path=/folder/x', { method: 'POST', headers: { origin: 'null' } })).status).toBe(403));
});
