/** Connections that a provider ended, all at once, with the grant that they share. */
export interface LostConnections {
  readonly environmentId: string;
  readonly integrationId: string;
  readonly connections: number;
  readonly reason: string | undefined;
}

export const lostConnectionsMetric = { name: 'ConnectionsLost', dimension: 'IntegrationId' } as const;

/** A line in CloudWatch's embedded metric format, which CloudWatch reads out of a function's log. */
export function lostConnectionsLine(namespace: string, lost: LostConnections, now: number): string {
  const { name, dimension } = lostConnectionsMetric;
  const { environmentId, integrationId, connections, reason } = lost;
  return JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        { Namespace: namespace, Dimensions: [[dimension]], Metrics: [{ Name: name, Unit: 'Count' }] },
      ],
    },
    [dimension]: integrationId,
    [name]: connections,
    environmentId,
    reason,
  });
}
