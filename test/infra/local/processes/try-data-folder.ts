import { openDataFolder } from '../../../../infra/local/data-folder.ts';

/** Tries to take the data folder of its argument, and prints what came of it. */
try {
  const folder = await openDataFolder(process.argv[2] as string);
  await folder.close();
  console.log('opened');
} catch (error) {
  console.log((error as Error).name);
}
