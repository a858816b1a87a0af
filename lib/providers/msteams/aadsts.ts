/** What an AADSTS code means to the person who sees it. */
export interface AadstsText {
  readonly title: string;
  /** What happened, and who can do something about it. */
  readonly explanation: string;
  readonly next: string;
}

const startAgain = 'Go back to {product} and start again.';
const askAdministrator = 'Send an administrator of your organization to {product} to connect it.';
const tellProduct = 'Please tell {product}, with the reference below.';
const askIt = 'Ask the people who run Microsoft 365 in your organization, with the reference below.';

const cancelled = text(
  'The approval was not given',
  'Somebody pressed Cancel at Microsoft, or may not approve apps.',
  `If you are no administrator, ask one to start in {product}. Otherwise: ${startAgain}`,
);
const notApproved = text(
  'Your organization has not approved this app yet',
  'An administrator has to approve it. Right after an approval it can take a minute until Microsoft knows.',
  askAdministrator,
);
const needsAdministrator = text(
  'An administrator must approve',
  'Your account may not approve this app.',
  askAdministrator,
);
const wrongAccount = text(
  'This account is not of the right organization',
  'You signed in with a personal account, as a guest, or with the account of another organization.',
  `${startAgain} Choose your work account at Microsoft, or sign out there first.`,
);
const registration = text(
  '{product} is not set up correctly at Microsoft',
  'Trying again will not help until it is repaired.',
  tellProduct,
);
const credential = text(
  '{product} could not prove itself to Microsoft',
  'Its credentials are wrong or have expired.',
  tellProduct,
);
const blocked = text(
  'Your organization blocks this',
  'A rule of your organization forbids this sign-in or this app.',
  askIt,
);
const signInNeeded = text(
  'Microsoft wants you to prove who you are',
  'Your organization demands another step of sign-in.',
  startAgain,
);
const ranOut = text('That took too long', 'The approval could not be used any more.', startAgain);
const busy = text('Microsoft is busy', 'This is usually over within minutes.', startAgain);
const ours = text('Something went wrong between {product} and Microsoft', 'This is not your fault.', tellProduct);

/**
 * Codes of Entra, in plain language. Microsoft may change numbers at any time, so they choose a text and nothing else.
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
const texts: Readonly<Record<string, AadstsText>> = {
  65001: notApproved,
  65004: cancelled,
  90094: needsAdministrator,
  90093: needsAdministrator,
  90095: text(
    'Your request was sent to an administrator',
    'They have to approve the app first.',
    'Wait for their approval, then go back to {product} and start again.',
  ),
  650056: registration,
  65005: registration,
  650052: text('Your organization lacks a service that the app needs', 'A subscription may be missing.', askIt),
  650057: registration,
  50011: registration,
  500112: registration,
  500113: registration,
  900971: registration,
  50194: registration,
  700016: notApproved,
  700011: notApproved,
  7000229: notApproved,
  7000112: text('The app is switched off in your organization', 'An administrator has disabled it.', askIt),
  70001: text('The app is switched off in your organization', 'An administrator has disabled it.', askIt),
  50020: wrongAccount,
  50034: wrongAccount,
  16000: wrongAccount,
  90072: wrongAccount,
  51004: wrongAccount,
  500208: wrongAccount,
  50105: text('You are not assigned to this app', 'Your organization lets only some people use it.', askIt),
  500212: blocked,
  500213: blocked,
  500021: blocked,
  53000: blocked,
  53001: blocked,
  53002: blocked,
  53003: blocked,
  530032: blocked,
  530035: blocked,
  50076: signInNeeded,
  50079: signInNeeded,
  50074: signInNeeded,
  50072: signInNeeded,
  54005: ranOut,
  70008: ranOut,
  700082: ranOut,
  70000: ranOut,
  50089: ranOut,
  700005: ours,
  501481: ours,
  50147: ours,
  7000215: credential,
  7000222: credential,
  7000218: credential,
  700025: credential,
  700027: credential,
  50012: credential,
  700030: credential,
  70021: credential,
  700211: credential,
  700212: credential,
  700213: credential,
  90002: wrongAccount,
  90128: wrongAccount,
  90038: text('Your organization is in another Microsoft cloud', '{product} cannot reach it there.', tellProduct),
  90033: busy,
  90006: busy,
  90024: busy,
  90055: busy,
  50196: busy,
  90099: text(
    'Your own administrator must approve',
    'A partner who manages your organization may not approve this app.',
    askAdministrator,
  ),
  901002: ours,
  70011: ours,
  28002: ours,
  90014: ours,
  900144: ours,
};

/** @returns undefined for a code that is not known, or for none */
export function aadstsText(code: string | undefined): AadstsText | undefined {
  return code?.startsWith('AADSTS') ? texts[code.slice('AADSTS'.length)] : undefined;
}

function text(title: string, explanation: string, next: string): AadstsText {
  return { title, explanation, next };
}
