import type middy from '@middy/core';
import { errorFields, type Log } from '../log.ts';
import { troublePage } from './flow-pages.ts';
import type { HttpEvent, HttpResult } from './types.ts';

/** What no route expected becomes a page, never a bare 500: a person is looking. */
export function pageErrors(log: Log): middy.MiddlewareObj<HttpEvent, HttpResult> {
  return {
    onError: function pageErrorsOnError(request) {
      const { requestId } = request.event.requestContext;
      log.error('request failed', { requestId, route: request.event.routeKey, ...errorFields(request.error) });
      request.response = troublePage(requestId);
    },
  };
}
