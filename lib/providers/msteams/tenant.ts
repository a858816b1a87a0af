const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The tenant of personal Microsoft accounts, which no company's app is ever consented in. */
const consumerTenantId = '9188040d-6c67-4c5b-b112-36a304b66dad';

export function isGuid(text: string): boolean {
  return guid.test(text);
}

/** @returns the id in lower case, or undefined when it is none of a company's tenant */
export function companyTenantId(text: string): string | undefined {
  const tenantId = text.toLowerCase();
  return isGuid(tenantId) && tenantId !== consumerTenantId ? tenantId : undefined;
}
