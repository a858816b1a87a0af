import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DataFolder,
  DataFolderInUseError,
  FilePermissionsError,
  openDataFolder,
  readAdvertisement,
  readPrivateFile,
} from '../../../infra/local/data-folder.ts';
import { type Child, startChild } from '../../support/child-process.ts';

const advertisement = { dynamodbEndpoint: 'http://127.0.0.1:8000', apiUrl: 'http://localhost:3000' };

let parent: string;
let path: string;
const opened: DataFolder[] = [];
const children: Child[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'data-folder-'));
  path = join(parent, 'deep', '.data');
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await Promise.all(opened.splice(0).map((folder) => folder.close()));
  await rm(parent, { recursive: true });
});

async function openFolder(): Promise<DataFolder> {
  const folder = await openDataFolder(path);
  opened.push(folder);
  return folder;
}

/** Another process that has the folder when this returns. */
async function startHolder(): Promise<Child> {
  const child = startChild(new URL('./processes/hold-data-folder.ts', import.meta.url), [path]);
  children.push(child);
  for await (const line of child.lines) if (line === 'held') break;
  return child;
}

async function modeOf(file: string): Promise<string> {
  return ((await stat(file)).mode & 0o777).toString(8);
}

describe('openDataFolder', () => {
  it("makes a folder that is its owner's alone", async () => {
    const folder = await openFolder();

    expect(await modeOf(path)).toBe('700');
    expect(folder.databasePath).toBe(join(path, 'dynamodb'));
  });

  it('refuses a second process, and says which folder and what to do', async () => {
    await startHolder();

    const refused = await openFolder().catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(DataFolderInUseError);
    expect((refused as Error).message).toContain(path);
    expect((refused as Error).message).toMatch(/Stop that one, or choose another folder with CHAT_CONNECT_DATA_DIR/);
  });

  it('gets a folder whose holder was killed', async () => {
    const holder = await startHolder();

    await holder.kill();

    await expect(openFolder()).resolves.toBeDefined();
  });

  it('refuses to open a folder twice in one process, and still has it afterwards', async () => {
    await openFolder();

    await expect(openFolder()).rejects.toThrow(DataFolderInUseError);

    const output: string[] = [];
    const other = startChild(new URL('./processes/try-data-folder.ts', import.meta.url), [path]);
    children.push(other);
    for await (const line of other.lines) output.push(line);
    expect(output).toEqual(['DataFolderInUseError']);
  });

  it('gets a folder that was closed', async () => {
    const first = await openFolder();
    await first.close();

    await expect(openFolder()).resolves.toBeDefined();
  });

  it('keeps nothing in :memory:', async () => {
    const one = await openDataFolder(':memory:');
    const other = await openDataFolder(':memory:');

    const contents = [
      await one.readOrCreate('key', () => 'first'),
      await one.readOrCreate('key', () => 'second'),
      await other.readOrCreate('key', () => 'third'),
    ];

    expect(contents).toEqual(['first', 'first', 'third']);
    expect(one.databasePath).toBeUndefined();
    await one.advertise(advertisement);
    await one.close();
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('readOrCreate', () => {
  it('makes a file once, and reads it from then on', async () => {
    const first = await openFolder();
    const made = await first.readOrCreate('key', () => 'made');
    await first.close();

    const second = await openFolder();
    const read = await second.readOrCreate('key', () => 'made again');

    expect([made, read]).toEqual(['made', 'made']);
    expect(await modeOf(join(path, 'key'))).toBe('600');
    expect(await readFile(join(path, 'key'), 'utf8')).toBe('made\n');
    expect(await readdir(path)).not.toContain('key.new');
  });

  it('gives everybody the same when asked several times at once', async () => {
    const folder = await openFolder();
    let made = 0;

    const contents = await Promise.all(Array.from({ length: 5 }, () => folder.readOrCreate('key', () => `${++made}`)));

    expect(contents).toEqual(['1', '1', '1', '1', '1']);
  });

  it('ignores what a crash in mid-write left behind', async () => {
    const folder = await openFolder();
    await writeFile(join(path, 'key.new'), 'ha', { mode: 0o644 });

    const contents = await folder.readOrCreate('key', () => 'whole');

    expect(contents).toBe('whole');
    expect(await modeOf(join(path, 'key'))).toBe('600');
  });

  it.each([0o640, 0o604, 0o666])('refuses a file of mode %o, and says how to close it', async (mode) => {
    const folder = await openFolder();
    await writeFile(join(path, 'key'), 'secret');
    await chmod(join(path, 'key'), mode);

    const refused = await folder.readOrCreate('key', () => 'other').catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(FilePermissionsError);
    expect((refused as Error).message).toContain(`${join(path, 'key')} is open to others (mode ${mode.toString(8)})`);
    expect((refused as Error).message).toContain(`chmod 600 '${join(path, 'key')}'`);
    expect((refused as Error).message).not.toContain('secret\n');
  });
});

describe('readPrivateFile', () => {
  it('reads a file of a folder that another process has', async () => {
    const folder = await openFolder();
    await folder.readOrCreate('key', () => 'shared');

    expect(await readPrivateFile(path, 'key')).toBe('shared');
    expect(await readPrivateFile(path, 'absent')).toBeUndefined();
  });
});

describe('the advertisement', () => {
  it('is there while the server runs, for its owner alone', async () => {
    const folder = await openFolder();
    await folder.advertise(advertisement);

    expect(await readAdvertisement(path)).toEqual(advertisement);

    expect(await modeOf(join(path, 'server.json'))).toBe('600');
  });

  it('of another process can be read', async () => {
    await startHolder();

    expect(await readAdvertisement(path)).toEqual({
      dynamodbEndpoint: 'http://127.0.0.1:1',
      apiUrl: 'http://localhost:2',
    });
  });

  it('goes when the folder is closed', async () => {
    const folder = await openFolder();
    await folder.advertise(advertisement);
    await folder.close();

    expect(await readAdvertisement(path)).toBeUndefined();

    expect(await readdir(path)).not.toContain('server.json');
  });

  it('of a server that was killed counts for nothing, and goes when the folder is next opened', async () => {
    const holder = await startHolder();
    await holder.kill();
    expect(await readdir(path)).toContain('server.json');

    const stale = await readAdvertisement(path);
    await openFolder();

    expect(stale).toBeUndefined();
    expect(await readdir(path)).not.toContain('server.json');
  });

  it('does not exist in a folder that does not exist', async () => {
    expect(await readAdvertisement(path)).toBeUndefined();

    expect(await readdir(parent)).toEqual([]);
  });
});
