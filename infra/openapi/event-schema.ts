import { eventData, eventSchema } from '../../lib/events/event.ts';
import { described, type Json, schemaWriter } from './schemas.ts';

const envelope = {
  version: 'Of this schema. It goes up when consumers have to change; new fields may come at any time.',
  id: 'The same whenever the event is delivered again.',
  type: 'Also the `detail-type` on the bus.',
  time: 'When it happened.',
  environmentId: 'The environment whose thing it is.',
  data: 'What it is about.',
};

const fields: Record<string, string> = {
  identifier: 'Under which the API has it.',
  integrationIdentifier: 'The integration that it belongs to.',
  providerId: 'Where it leads.',
  subscriberId: 'The user of your product, as you named them; null for none.',
  contextKeys: 'Whom it is for besides, sorted `type:id`.',
  workspace: 'The Slack workspace or enterprise, or the Microsoft tenant.',
  scopes: 'What was asked for and granted.',
  status: 'As the API shows it.',
  statusReason: 'Why it is not active: the code of the provider or of ours.',
  changed: 'What is not as it was. `credential`: a new approval, or a token that was brought anew.',
  previousWorkspace: 'What it was connected to before, when that is another one.',
  type: 'What the endpoint points at.',
  connectionIdentifier: 'The connection that it goes through; null for none.',
};

/** The events as a JSON Schema: what `docs/events.schema.json` holds. */
export function eventJsonSchema(): Json {
  for (const option of eventSchema.def.options) described(option, envelope);
  for (const data of Object.values(eventData)) {
    described(data, Object.fromEntries(Object.keys(data.shape).map((name) => [name, fields[name]])) as never);
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Events of Chat Connect: the detail of what is on the bus',
    ...schemaWriter().write(eventSchema),
  };
}
