/** Whether an environment may prove an Entra app by the role of the functions. */
export type IsFederated = (environmentId: string, clientId: string) => boolean;

/**
 * Reads the deployment's list of `<environment id>/<client id>` pairs, joined by commas. The role is the deployment's, so
 * without a list whoever manages any environment could act as any app that trusts it.
 */
export function federatedClients(list: string): IsFederated {
  const pairs = new Set(list.toLowerCase().split(','));
  return (environmentId, clientId) => pairs.has(`${environmentId}/${clientId}`.toLowerCase());
}
