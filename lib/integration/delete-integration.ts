import { type DisconnectDeps, disconnect } from '../connection/disconnect.ts';
import { revokeGrantIfUnshared } from '../grant/revoke-if-unshared.ts';
import { errorFields } from '../log.ts';
import type { Integration } from './integration.ts';

/** How long a caller waits for what follows the deletion itself, and how long one run of the sweep goes on with it. */
const answerWithinMilliseconds = 5_000;
const sweepMilliseconds = 20_000;
/** Longer than whoever read the integration before its deletion can take to write what belongs to it. */
const repeatAfterMilliseconds = 15 * 60_000;
/** Longer than a flow can be finished: one that ends needs the integration to let go of what it got. */
const keptForMilliseconds = 25 * 60 * 60_000;
const lookAgainMilliseconds = 60 * 60_000;
const endedAtOnce = 10;

/**
 * Deletes an integration by one write: it is hidden, its identifier is free and its flows stop. What belongs to it is
 * ended for as long as a caller can wait; the sweep does the rest.
 * @returns false when the environment has no such integration
 */
export async function deleteIntegration(
  deps: DisconnectDeps,
  environmentId: string,
  integrationId: string,
): Promise<boolean> {
  const deleting = await deps.integrations.beginDeletion(environmentId, integrationId, deps.now());
  if (!deleting) return false;
  try {
    await endWhatBelongsTo(deps, deleting, deps.now() + answerWithinMilliseconds);
  } catch (error) {
    deps.log.error('the rest of a deletion is left to the sweep', { ...lineOf(deleting), ...errorFields(error) });
  }
  return true;
}

/**
 * For the sweep: goes on with a deletion; does it all once more when nobody can be writing any more who had read the
 * integration before; and takes the row away in the end, when no flow or grant of it is left.
 */
export async function settleIntegration(deps: DisconnectDeps, integration: Integration): Promise<void> {
  const { environmentId, integrationId, deletedAt } = integration;
  if (deletedAt === undefined) return;
  const now = deps.now();
  // What is left is due in a minute.
  if (!(await endWhatBelongsTo(deps, integration, now + sweepMilliseconds))) return;
  const pause = [repeatAfterMilliseconds, keptForMilliseconds].find((each) => deletedAt + each > now);
  if (pause !== undefined) return deps.integrations.lookAgain(integration, deletedAt + pause);
  for await (const _grant of deps.grants.ofIntegration(environmentId, integrationId)) {
    return deps.integrations.lookAgain(integration, now + lookAgainMilliseconds);
  }
  await deps.integrations.remove(integration);
  deps.log.info('deleted integration removed', lineOf(integration));
}

/**
 * Ends the connections, then the endpoints that went through none, then what is still granted. May run any number of
 * times, at once or one after the other.
 * @param until epoch milliseconds
 * @returns false when something is left to do
 */
async function endWhatBelongsTo(deps: DisconnectDeps, integration: Integration, until: number): Promise<boolean> {
  const { environmentId, integrationId } = integration;
  const { connections, endpoints, grants } = deps;
  const endEach = async <Row>(
    { ofIntegration }: { ofIntegration(environmentId: string, integrationId: string): AsyncIterable<Row> },
    end: (row: Row) => Promise<unknown>,
  ) => {
    const rows = ofIntegration(environmentId, integrationId);
    let isDone = true;
    const work = async () => {
      for await (const row of rows) {
        if (deps.now() >= until) return;
        await end(row).catch((error: unknown) => {
          isDone = false;
          deps.log.error('what belongs to a deleted integration could not be ended', {
            ...lineOf(integration),
            ...errorFields(error),
          });
        });
      }
    };
    await Promise.all(Array.from({ length: endedAtOnce }, work));
    return isDone && deps.now() < until;
  };
  const ended = [
    await endEach(connections, (connection) => disconnect(deps, connection)),
    await endEach(endpoints, (endpoint) =>
      endpoints.remove(endpoint, { asOf: Math.max(deps.now(), endpoint.asOf + 1), flowId: 'deletion' }),
    ),
    await endEach(grants, async (grant) => {
      // One that is being revoked is due by itself.
      if (grant.status !== 'revoking') await revokeGrantIfUnshared(deps, integration, grant, 'deletion');
    }),
  ];
  return ended.every((isDone) => isDone);
}

function lineOf({ environmentId, integrationId }: Integration) {
  return { environmentId, integrationId };
}
