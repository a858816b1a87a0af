import { openDataFolder } from '../../../../infra/local/data-folder.ts';

/** Takes the data folder of its argument, says so, and keeps it until it is killed. */
const folder = await openDataFolder(process.argv[2] as string);
await folder.advertise({ dynamodbEndpoint: 'http://127.0.0.1:1', apiUrl: 'http://localhost:2' });
console.log('held');
setInterval(() => {}, 1000);
