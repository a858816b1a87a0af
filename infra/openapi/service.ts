import * as z from 'zod/mini';
import type { Operations } from './operation.ts';
import { described } from './schemas.ts';

const health = described(z.object({ status: z.literal('ok') }), { status: 'Always `ok`.' });

export const serviceOperations: Operations = {
  'GET /health': {
    operationId: 'getHealth',
    summary: 'Whether the service is up',
    permissions: [],
    answers: { 200: { description: 'It is.', content: health } },
    examples: { up: { summary: 'The service is up', answer: { status: 200, body: { status: 'ok' } } } },
  },
  'GET /openapi.json': {
    operationId: 'getOpenApi',
    summary: 'This document',
    permissions: [],
    headers: { 'If-None-Match': 'An `ETag` that was answered before.' },
    answers: {
      200: {
        description: 'The document.',
        headers: { ETag: 'Changes with the document.' },
        content: described(z.looseObject({ openapi: z.string() }), { openapi: 'The version of OpenAPI.' }),
      },
      304: { description: 'The document has not changed.', headers: { ETag: 'As asked for.' } },
    },
  },
};
