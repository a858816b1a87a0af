import { contextSchema, contextWithData, maxContexts } from '../../lib/context/context.ts';
import { identifierSchema, textSchema } from '../../lib/http/api.ts';
import { described, named } from './schemas.ts';

named('Identifier', identifierSchema, {
  description: 'A name in which /, ? and % and control characters are not allowed. Neither `.` nor `..`.',
});
named('Text', textSchema, { description: 'Any text without control characters.' });

described(contextWithData, { id: 'The id.', data: 'What you like to know about it. At most 64 KB.' });
/** Handlers leave a `context` to `parseContext`, which checks it by this schema. */
export const context = named('Context', contextSchema, {
  minProperties: 1,
  maxProperties: maxContexts,
  description: 'Whom a connection is for besides a subscriber: type to id, or to an id with data.',
});
