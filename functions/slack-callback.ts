import type { HttpHandler } from '../lib/http/types.ts';

export const handler: HttpHandler = async () => ({ statusCode: 501 });
