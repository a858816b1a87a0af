import { type App, notInDirectory } from './apps.ts';
import type { Tenant } from './directory.ts';
import { EntraError } from './errors.ts';

/** Since when, in epoch milliseconds, tokens have each role. */
type Roles = Map<string, number>;

/** Which app exists in which tenant, with which application permissions. An app without any still gets tokens there. */
export class Consents {
  readonly #roles = new Map<string, Roles>();
  readonly #withdrawn = new Set<string>();
  readonly #now: () => number;
  /** How long the roles of a later consent take to appear in tokens. */
  delayMilliseconds = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What was granted before stays granted. */
  add(tenantId: string, clientId: string, roles: readonly string[]): void {
    const since = this.#now() + this.delayMilliseconds;
    const former = this.#roles.get(key(tenantId, clientId)) ?? new Map<string, number>();
    this.#roles.set(key(tenantId, clientId), new Map([...roles.map((role) => [role, since] as const), ...former]));
  }

  /** From now on exactly these. */
  set(tenantId: string, clientId: string, roles: readonly string[]): void {
    this.#roles.set(key(tenantId, clientId), new Map(roles.map((role) => [role, this.#now()])));
  }

  postpone(tenantId: string, clientId: string, milliseconds: number): void {
    const roles = this.#roles.get(key(tenantId, clientId));
    for (const role of roles?.keys() ?? []) {
      roles?.set(role, this.#now() + milliseconds);
    }
  }

  /** As an administrator who deletes the enterprise application; tokens live on until they expire. */
  withdraw(tenantId: string, clientId: string): void {
    if (this.#roles.delete(key(tenantId, clientId))) {
      this.#withdrawn.add(key(tenantId, clientId));
    }
  }

  find(tenantId: string, clientId: string): { role: string; hasAppeared: boolean }[] | undefined {
    const roles = this.#roles.get(key(tenantId, clientId));
    return roles && [...roles].map(([role, since]) => ({ role, hasAppeared: since <= this.#now() }));
  }

  /** @throws {EntraError} 700016, or 7000229 where the app has been */
  rolesOf(tenant: Tenant, { clientId, homeTenantId }: App): string[] {
    const roles = this.find(tenant.id, clientId) ?? (homeTenantId === tenant.id ? [] : undefined);
    if (roles) {
      return roles.filter(({ hasAppeared }) => hasAppeared).map(({ role }) => role);
    }
    if (this.#withdrawn.has(key(tenant.id, clientId))) {
      const missing = `is missing service principal in the tenant ${tenant.id}.`;
      throw new EntraError(7000229, `The client application ${clientId} ${missing}`);
    }
    throw notInDirectory(clientId, tenant.name);
  }
}

function key(tenantId: string, clientId: string): string {
  return `${tenantId}|${clientId}`;
}
