import type { HttpFunctionName, Route } from '../routes.ts';

export interface MatchedRoute {
  readonly function: HttpFunctionName;
  readonly routeKey: string;
  readonly pathParameters: Record<string, string>;
}

/** Finds the route of a decoded path; where several match, the one whose segments are literal earlier wins. */
export function routeMatcher(routes: readonly Route[]) {
  const compiled = routes
    .map((route) => ({ route, segments: route.path.split('/') }))
    .sort((a, b) => specificity(b.segments).localeCompare(specificity(a.segments)));

  return function matchRoute(method: string, path: string): MatchedRoute | undefined {
    const actual = path.split('/');
    for (const { route, segments } of compiled) {
      if (route.method !== method || segments.length !== actual.length) continue;
      const pathParameters = matchSegments(segments, actual);
      if (pathParameters) {
        return { function: route.function, routeKey: `${route.method} ${route.path}`, pathParameters };
      }
    }
    return undefined;
  };
}

function matchSegments(segments: readonly string[], actual: readonly string[]): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const value = actual[index] ?? '';
    if (!isParameter(segment)) {
      if (segment !== value) return undefined;
    } else {
      if (value === '') return undefined;
      parameters[segment.slice(1, -1)] = value;
    }
  }
  return parameters;
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{') && segment.endsWith('}');
}

function specificity(segments: readonly string[]): string {
  return segments.map((segment) => (isParameter(segment) ? '0' : '1')).join('');
}
