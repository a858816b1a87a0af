import { EventBridgeClient, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { afterEach, describe, expect, it } from 'vitest';
import { type Event, eventSchema } from '../../../lib/events/event.ts';
import { eventBridgeBus } from '../../../lib/events/event-bridge-bus.ts';
import { startFakeEventBridge } from '../../support/fake-event-bridge.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function anEvent(index: number, scopes: string[] = []): Event {
  return eventSchema.parse({
    version: 1,
    id: `event-${index}`,
    type: 'connection.recovered',
    time: '2026-11-02T09:15:31.204Z',
    environmentId: 'environment-1',
    data: {
      identifier: `connection-${index}`,
      integrationIdentifier: 'slack',
      providerId: 'slack',
      subscriberId: null,
      contextKeys: [],
      workspace: { id: 'T0ACME0001' },
      scopes,
      status: 'active',
    },
  });
}

const events = (count: number, scopes?: string[]) =>
  Array.from({ length: count }, (_, index) => anEvent(index, scopes));

async function setup(answer?: (entries: PutEventsRequestEntry[]) => (string | undefined)[]) {
  const fake = await startFakeEventBridge(answer);
  const client = new EventBridgeClient({
    endpoint: fake.url,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  closers.push(async () => client.destroy(), fake.close);
  const lines: unknown[] = [];
  const record = (message: string, fields = {}) => lines.push({ message, ...fields });
  const bus = eventBridgeBus({ client, busName: 'bus-1', log: { info: record, warn: record, error: record } });
  return { bus, fake, lines };
}

describe('eventBridgeBus', () => {
  it('puts events on its bus in their order, ten at a time', async () => {
    const { bus, fake } = await setup();

    expect(await bus.publish(events(23))).toBe(23);

    expect(fake.requests.map((entries) => entries.length)).toEqual([10, 10, 3]);
    const entries = fake.requests.flat();
    expect(entries.map(({ Detail }) => JSON.parse(Detail ?? ''))).toEqual(events(23));
    expect(entries[0]).toMatchObject({
      EventBusName: 'bus-1',
      Source: 'chat-connect',
      DetailType: 'connection.recovered',
      Time: Date.parse('2026-11-02T09:15:31.204Z') / 1000,
    });
  });

  it('calls nobody when there is nothing to say', async () => {
    const { bus, fake } = await setup();

    expect(await bus.publish([])).toBe(0);
    expect(fake.requests).toEqual([]);
  });

  it('stays below the bytes that one call may have', async () => {
    const { bus, fake } = await setup();

    await bus.publish(events(10, ['ä'.repeat(30_000)]));

    expect(fake.requests.map((entries) => entries.length)).toEqual([4, 4, 2]);
  });

  it('says how many were taken before the first that was not, and sends no more', async () => {
    const { bus, fake, lines } = await setup((entries) =>
      entries.map(({ Detail }) => (Detail?.includes('event-12"') ? 'ThrottlingException' : undefined)),
    );

    expect(await bus.publish(events(30))).toBe(12);

    expect(fake.requests).toHaveLength(2);
    expect(lines).toEqual([{ message: 'events were not taken', failed: 1, code: 'ThrottlingException' }]);
  });

  it('takes an error for an answer: nothing of that call was taken', async () => {
    const { bus, fake, lines } = await setup();
    await fake.close();

    expect(await bus.publish(events(2))).toBe(0);
    expect(lines).toMatchObject([{ message: 'events were not taken' }]);
  });
});
