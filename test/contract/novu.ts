import { Novu } from '@novu/api';
import { ErrorDto, NovuError, ValidationErrorDto } from '@novu/api/models/errors/index.js';
import { expect } from 'vitest';

/** The unmodified SDK, pointed at a server. It gives up at once, where by default it tries again for an hour. */
export function novuAt(serverURL: string, secretKey?: string): Novu {
  return new Novu({ serverURL, retryConfig: { strategy: 'none' }, ...(secretKey !== undefined && { secretKey }) });
}

/** What a call of the SDK throws. */
export async function failureOf(call: Promise<unknown>): Promise<NovuError> {
  const failure = await call.then(
    () => new Error('the call succeeded'),
    (error: unknown) => error,
  );
  if (failure instanceof NovuError) return failure;
  throw failure;
}

/** Fails unless the SDK throws the typed error of the status, with a message and code of ours. */
export async function expectRefusal(
  call: Promise<unknown>,
  { status, message, error }: { status: number; message: string | RegExp; error: string },
): Promise<void> {
  const failure = await failureOf(call);
  expect(failure).toBeInstanceOf(status === 422 ? ValidationErrorDto : ErrorDto);
  const body = JSON.parse(failure.body);
  const said = failure instanceof ValidationErrorDto ? generalMessagesOf(failure) : failure.message;
  expect(said).toMatch(message);
  expect({ ...body, thrown: failure.message }).toMatchObject({ statusCode: status, error, thrown: body.message });
  expect(failure.contentType).toMatch(/^application\/json/);
}

function generalMessagesOf(failure: ValidationErrorDto): string {
  return Object.values(failure.errors)
    .flatMap(({ messages }) => messages)
    .join('\n');
}
