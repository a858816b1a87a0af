import { mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClassicLevel } from 'classic-level';

/** Where a running server can be reached, for the admin command beside it. */
export interface Advertisement {
  readonly dynamodbEndpoint: string;
  readonly apiUrl: string;
}

export interface DataFolder {
  /** Where the embedded DynamoDB keeps its tables; undefined means in memory. */
  readonly databasePath: string | undefined;
  /** A small text that only the owner can read, made the first time. */
  readOrCreate(name: string, make: () => string): Promise<string>;
  /** Replaces such a text. */
  write(name: string, contents: string): Promise<void>;
  /** Tells the admin command where this server is, until the folder is closed. */
  advertise(advertisement: Advertisement): Promise<void>;
  close(): Promise<void>;
}

/** One process at a time: a second one would ruin the tables. */
export class DataFolderInUseError extends Error {
  override readonly name = 'DataFolderInUseError';

  constructor(path: string, options?: ErrorOptions) {
    super(
      `The data folder ${path} is in use by another process, probably a Chat Connect server that still runs. ` +
        'Stop that one, or choose another folder with CHAT_CONNECT_DATA_DIR (":memory:" keeps nothing).',
      options,
    );
  }
}

/** A file with a secret that not only its owner can read. */
export class FilePermissionsError extends Error {
  override readonly name = 'FilePermissionsError';

  constructor(path: string, mode: number) {
    super(
      `${path} is open to others (mode ${mode.toString(8).padStart(3, '0')}), and it holds a secret. ` +
        `Close it with: chmod 600 '${path}'. If others may have read it, delete the data folder and start afresh.`,
    );
  }
}

const advertisementName = 'server.json';
/** Somebody who looks whether the lock is free holds it for a moment. */
const LOCK_ATTEMPTS = 4;
const LOCK_RETRY_MILLISECONDS = 50;
/**
 * Folders that this process has. LevelDB must not be asked for those: when it refuses, it closes the lock file, and
 * with any of its descriptors POSIX gives the process's lock away.
 */
const ownFolders = new Set<string>();

/** Takes the folder for this process, making it if absent; `:memory:` keeps nothing. @throws DataFolderInUseError */
export async function openDataFolder(path: string): Promise<DataFolder> {
  if (path === ':memory:') return memoryFolder();
  await mkdir(resolve(path), { recursive: true, mode: 0o700 });
  const folder = await realpath(path);
  const releaseLock = await takeLock(folder);
  const files = new Map<string, Promise<string>>();
  try {
    // Left behind by a server that was killed.
    await rm(join(folder, advertisementName), { force: true });
  } catch (error) {
    await releaseLock();
    throw error;
  }
  return {
    databasePath: join(folder, 'dynamodb'),
    readOrCreate(name, make) {
      const file = files.get(name) ?? readOrCreateFile(folder, name, make);
      files.set(name, file);
      return file;
    },
    async write(name, contents) {
      await writePrivateFile(folder, name, contents);
      files.set(name, Promise.resolve(contents));
    },
    async advertise(advertisement) {
      await writePrivateFile(folder, advertisementName, JSON.stringify(advertisement));
    },
    async close() {
      await rm(join(folder, advertisementName), { force: true });
      await releaseLock();
    },
  };
}

/** The advertisement of the server that has the folder now; undefined when none has, or none says where it is yet. */
export async function readAdvertisement(path: string): Promise<Advertisement | undefined> {
  const contents = await readPrivateFile(path, advertisementName);
  if (contents === undefined || (await isLockFree(await realpath(path)))) return undefined;
  return JSON.parse(contents) as Advertisement;
}

/** A file of a data folder that another process may have open. @throws FilePermissionsError */
export async function readPrivateFile(path: string, name: string): Promise<string | undefined> {
  const file = resolve(path, name);
  try {
    const mode = (await stat(file)).mode & 0o777;
    if ((mode & 0o077) !== 0 && process.platform !== 'win32') throw new FilePermissionsError(file, mode);
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function readOrCreateFile(folder: string, name: string, make: () => string): Promise<string> {
  const existing = await readPrivateFile(folder, name);
  if (existing !== undefined) return existing;
  const contents = make();
  await writePrivateFile(folder, name, contents);
  return contents;
}

/** Whoever reads the file sees all of it or nothing, also after a power cut. */
async function writePrivateFile(folder: string, name: string, contents: string): Promise<void> {
  const temporary = join(folder, `${name}.new`);
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${contents}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(folder, name));
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** LevelDB locks its folder with the operating system, which frees the lock however the process ends. */
async function takeLock(folder: string): Promise<() => Promise<void>> {
  if (ownFolders.has(folder)) throw new DataFolderInUseError(folder);
  ownFolders.add(folder);
  try {
    const lock = await openLock(folder);
    return async () => {
      await lock.close();
      ownFolders.delete(folder);
    };
  } catch (error) {
    ownFolders.delete(folder);
    throw error;
  }
}

async function openLock(folder: string): Promise<ClassicLevel> {
  for (let attempt = 1; ; attempt += 1) {
    const lock = new ClassicLevel(join(folder, 'lock'));
    try {
      await lock.open();
      return lock;
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (attempt === LOCK_ATTEMPTS) throw new DataFolderInUseError(folder, { cause: error });
      await sleep(LOCK_RETRY_MILLISECONDS);
    }
  }
}

async function isLockFree(folder: string): Promise<boolean> {
  if (ownFolders.has(folder)) return false;
  const lock = new ClassicLevel(join(folder, 'lock'), { createIfMissing: false });
  try {
    await lock.open();
  } catch (error) {
    return !isLocked(error);
  }
  await lock.close();
  return true;
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && (codeOf(error) === 'LEVEL_LOCKED' || isLocked(error.cause));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function memoryFolder(): DataFolder {
  const files = new Map<string, string>();
  return {
    databasePath: undefined,
    async readOrCreate(name, make) {
      const contents = files.get(name) ?? make();
      files.set(name, contents);
      return contents;
    },
    async write(name, contents) {
      files.set(name, contents);
    },
    async advertise() {},
    async close() {},
  };
}
