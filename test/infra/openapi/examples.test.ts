import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as z from 'zod/mini';
import { errorSchemaOf } from '../../../infra/openapi/errors.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { exampleEnvironment, examples, registerExampleApps, settled } from './run-examples.ts';
import { checkerOf, documented, documentedAnswer } from './written-schemas.ts';

let service: TestService;

beforeAll(async () => {
  service = await startTestService();
  registerExampleApps(service);
});

afterAll(() => service.close());

describe('the example', () => {
  it.each(examples)(
    '$name is answered as the document says',
    async ({ name, routeKey, operation, example, expected }) => {
      const environment = await exampleEnvironment(service);
      await environment.prepare(name);

      const answer = await environment.send(name);

      expect(settled(service, answer.json)).toEqual(settled(service, expected.body));
      expect(answer.status).toBe(expected.status);
      const { content } = documentedAnswer(routeKey, answer.status);
      if (!content) return expect(answer.text).toBe('');
      expect(checkerOf(content['application/json'].schema).safeParse(answer.json).error).toBeUndefined();
      const schema = operation.answers[answer.status]?.content ?? errorSchemaOf(answer.status);
      // Parsing drops what the schema does not know.
      expect((schema as z.ZodMiniType).parse(answer.json)).toEqual(answer.json);
      if (example.body === undefined || answer.json.error === 'validation_failed') return;
      const { schema: requestSchema } = documented(routeKey).requestBody.content['application/json'];
      expect(checkerOf(requestSchema).safeParse(example.body).error).toBeUndefined();
    },
  );
});
