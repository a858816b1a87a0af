import { describe, expect, it } from 'vitest';
import { lostConnectionsLine } from '../../../lib/events/lost-connections.ts';

describe('lostConnectionsLine', () => {
  it('is one line in the embedded metric format, with each name that it announces', () => {
    const lost = { environmentId: 'environment-1', integrationId: 'integration-1', connections: 12, reason: 'a\nb' };

    const line = lostConnectionsLine('ChatConnect', lost, 1_762_000_000_000);

    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toEqual({
      _aws: {
        Timestamp: 1_762_000_000_000,
        CloudWatchMetrics: [
          {
            Namespace: 'ChatConnect',
            Dimensions: [['IntegrationId']],
            Metrics: [{ Name: 'ConnectionsLost', Unit: 'Count' }],
          },
        ],
      },
      IntegrationId: 'integration-1',
      ConnectionsLost: 12,
      environmentId: 'environment-1',
      reason: 'a\nb',
    });
  });
});
