/** Markup that is safe to send: only `html` makes it, and it escapes every string put into it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[] | undefined | false;

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...parts.map(render)));
}

function render(part: Part): string {
  if (part instanceof Html) {
    return part.text;
  }
  if (part === undefined || part === false) {
    return '';
  }
  if (typeof part === 'object') {
    return part.map(render).join('');
  }
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
