import type { InstallationReason } from '../../flow/flow.ts';

/** Why the Teams app is not installed, to the person who sees it. */
export interface InstallationText {
  readonly explanation: string;
  /** Who has to do what. */
  readonly remedy: string;
}

const tellProduct = 'Please tell {product}, with the reference below.';

/** Linking again is how a person asks for another try; it changes nothing about the link. */
export const installationTexts: Readonly<Record<InstallationReason, InstallationText>> = {
  app_not_in_tenant: text(
    'Microsoft does not know the app in your organization.',
    'An administrator of your organization has to connect it in {product}.',
  ),
  roles_missing: text(
    'Your organization has not granted the permissions that installing the app takes.',
    'An administrator of your organization has to connect it in {product} again, and approve all permissions.',
  ),
  provider_unavailable: text('Microsoft did not answer properly.', 'This is usually over within minutes.'),
  provider_misconfigured: text('{product} could not prove itself to Microsoft.', tellProduct),
  provider_refused: text('Microsoft does not let {product} act in your organization.', tellProduct),
  bot_not_in_catalog: text(
    "The app is neither in your organization's app catalog nor in the Teams store.",
    'The people who run Teams in your organization have to add it: Teams admin center, Teams apps, Manage apps.',
  ),
  bot_app_mismatch: text(
    'The Teams app belongs to another app registration than the one that {product} uses.',
    `${tellProduct} The webApplicationInfo.id of its app manifest must be the client id.`,
  ),
  bot_blocked: text(
    "Your organization's rules do not let the app be installed for you.",
    'The people who run Teams in your organization have to allow it: Teams admin center, Teams apps, Permission policies.',
  ),
  bot_user_unknown: text(
    'Teams does not know your account: it may have no license for Teams, or have never opened it.',
    'Open Teams with this account once. If you cannot, ask the people who run Microsoft 365 in your organization.',
  ),
  bot_refused: text('Teams refused to install the app.', tellProduct),
};

function text(explanation: string, remedy: string): InstallationText {
  return { explanation, remedy };
}
