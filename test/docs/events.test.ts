import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventJsonSchema } from '../../infra/openapi/event-schema.ts';
import { changeableFields, eventData, eventSchema, eventSource } from '../../lib/events/event.ts';

const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8');

describe('docs/events.schema.json', () => {
  it('is the schema by which events are made; `npx vitest run -u test/docs/events.test.ts` writes it anew', async () => {
    await expect(`${JSON.stringify(eventJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
      '../../docs/events.schema.json',
    );
  });

  it('says of every field what it means', () => {
    const silent: string[] = [];
    const visit = (schema: { properties?: object; oneOf?: object[] }, at: string) => {
      for (const option of schema.oneOf ?? []) visit(option, at);
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        if (!property.description && !at.endsWith('orkspace')) silent.push(`${at}.${name}`);
        visit(property, `${at}.${name}`);
      }
    };

    visit(eventJsonSchema(), '');

    expect(silent).toEqual([]);
  });
});

describe('docs/events.md', () => {
  it('names every event, every field that can change and the source', () => {
    for (const name of [...Object.keys(eventData), ...changeableFields, eventSource]) {
      expect(page).toContain(`\`${name}\``);
    }
  });

  it('shows an event that is one', () => {
    const example = /```json\n(.*?)\n```/s.exec(page)?.[1] ?? '';
    const { detail, ...envelope } = JSON.parse(example);

    expect(eventSchema.parse(detail)).toEqual(detail);
    expect(envelope).toMatchObject({ source: eventSource, 'detail-type': detail.type });
  });
});
