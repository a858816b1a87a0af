import { type Html, html } from './html.ts';

/** What both stand-ins share: how they answer, go wrong, and look. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function jsonReply(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(body),
  };
}

/** The rules in force; the oldest one that matches and is not used up decides. */
export class RulesInForce<Rule extends { times?: number }, Call> {
  readonly #matches: (rule: Rule, call: Call) => boolean;
  #rules: Rule[] = [];

  constructor(matches: (rule: Rule, call: Call) => boolean) {
    this.#matches = matches;
  }

  add(rule: Rule): void {
    this.#rules.push({ ...rule });
  }

  clear(): void {
    this.#rules = [];
  }

  take(call: Call): Rule | undefined {
    const rule = this.#rules.find((each) => (each.times ?? 1) > 0 && this.#matches(each, call));
    if (rule?.times !== undefined) rule.times -= 1;
    return rule;
  }
}

/** A page that nobody takes for the provider's own. */
export function pretendPage(provider: string, style: Html, title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · pretend ${provider}</title>
<style>${style}</style>
</head>
<body>
<header role="note"><strong>Pretend ${provider}.</strong> A stand-in for ${provider} on this computer. Nothing here reaches ${provider}.</header>
<main>${content}</main>
</body>
</html>
`.text;
}
