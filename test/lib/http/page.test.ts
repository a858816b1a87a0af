import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Page, redirectTo, renderPage } from '../../../lib/http/page.ts';

const plainPage: Page = { statusCode: 200, tone: 'good', title: 'Connected', paragraphs: ['All is well.'] };

function bodyOf(page: Page): string {
  return renderPage(page).body ?? '';
}

/** The tags of a page with their attributes, in order, without its style. */
function tagsOf(page: Page): string[] {
  return (
    bodyOf(page)
      .replace(/<style>[^<]*<\/style>/, '')
      .match(/<[^>]*>?/g) ?? []
  );
}

/** What stands in the elements that hold text, in order, as it was written. */
function textsOf(page: Page): string[] {
  const elements = bodyOf(page).matchAll(/<(title|h1|p|dt|dd|small)>(.*?)<\/\1>/gs);
  return [...elements].map(([, , text = '']) => text);
}

function unescaped(html: string): string {
  return html.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}

const markup = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '!', '-', '=', ' ', 'a', '\n', '`', '#', ';') }),
  fc.constantFrom(
    '<script>alert(1)</script>',
    '</title><img src=x onerror=alert(1)>',
    '"><b>',
    '</style>',
    '&lt;b&gt;',
  ),
);

const pages: fc.Arbitrary<Page> = fc.record({
  statusCode: fc.constantFrom(200, 400),
  tone: fc.constantFrom('good' as const, 'bad' as const, 'waiting' as const),
  title: markup,
  paragraphs: fc.array(markup, { maxLength: 3 }),
  facts: fc.array(fc.tuple(markup, markup), { maxLength: 3 }),
  reference: fc.option(markup, { nil: undefined }),
});

describe('renderPage', () => {
  it('has the same tags whatever its texts say', () => {
    fc.assert(
      fc.property(pages, (page) => {
        const harmless: Page = {
          ...page,
          title: 'text',
          paragraphs: page.paragraphs.map(() => 'text'),
          facts: (page.facts ?? []).map(() => ['text', 'text']),
          reference: page.reference === undefined ? undefined : 'text',
        };

        expect(tagsOf(page)).toEqual(tagsOf(harmless));
      }),
      { numRuns: 300 },
    );
  });

  it('says everything that it is given, and lets no markup of it through', () => {
    fc.assert(
      fc.property(pages, (page) => {
        const texts = textsOf(page);

        expect(texts.filter((text) => /[<>"']|&(?!#\d+;)/.test(text))).toEqual([]);
        expect(texts.map(unescaped)).toEqual([
          page.title,
          page.title,
          ...page.paragraphs,
          ...(page.facts ?? []).flat(),
          ...(page.reference === undefined ? [] : [`Reference: ${page.reference}`]),
        ]);
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out lists and references that it is not given', () => {
    const tags = tagsOf(plainPage);

    expect(tags).not.toContain('<dl>');
    expect(tags).not.toContain('<small>');
  });

  it('holds no script, no link and no address of another origin', () => {
    const body = bodyOf(plainPage);

    expect(body).not.toMatch(/<script|<link|<iframe|<form|<img|https?:|url\(|@import/i);
  });

  it('forbids everything but its own style', () => {
    const { headers } = renderPage(plainPage);

    expect(headers).toEqual({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.any(String),
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex',
    });
    const directives = String(headers?.['content-security-policy']).split('; ');
    expect(directives.filter((directive) => !directive.startsWith('style-src '))).toEqual([
      "default-src 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
  });

  it('allows its style by the hash of exactly what stands in the page', () => {
    const { headers, body } = renderPage(plainPage);
    const [, style = ''] = /<style>([^<]*)<\/style>/.exec(body ?? '') ?? [];

    const hash = createHash('sha256').update(style).digest('base64');

    expect(style).not.toBe('');
    expect(String(headers?.['content-security-policy']).split('; ')).toContain(`style-src 'sha256-${hash}'`);
  });

  it('with a button posts to its own address, says where from, and lets the answer lead anywhere', () => {
    const { headers, body } = renderPage({ ...plainPage, button: 'Go <on>' });

    expect(body).toContain('<form method="post"><button>Go &#60;on&#62;</button></form>');
    expect(headers?.['referrer-policy']).toBe('same-origin');
    expect(String(headers?.['content-security-policy'])).not.toContain('form-action');
  });

  it('with a logo allows images from its origin alone', () => {
    const { headers, body } = renderPage({ ...plainPage, logoUrl: 'https://cdn.example/logo.svg?a=1&b="><script>' });

    expect(body).toContain('<img src="https://cdn.example/logo.svg?a=1&#38;b=&#34;&#62;&#60;script&#62;" alt=""');
    expect(String(headers?.['content-security-policy']).split('; ')).toContain('img-src https://cdn.example');
  });

  it('answers with the status and the tone of the page', () => {
    const { statusCode, body } = renderPage({ ...plainPage, statusCode: 502, tone: 'bad' });

    expect(statusCode).toBe(502);
    expect(body).toContain('<main class="bad">');
  });

  it('reloads itself by a header only when it is to', () => {
    expect(renderPage({ ...plainPage, reloadSeconds: 3 }).headers).toMatchObject({ refresh: '3' });
    expect(renderPage(plainPage).headers).not.toHaveProperty('refresh');
  });
});

describe('redirectTo', () => {
  it('sends the browser on with a GET, keeps nothing and hands no address on', () => {
    expect(redirectTo('https://product.example/done?status=success')).toEqual({
      statusCode: 303,
      headers: {
        location: 'https://product.example/done?status=success',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      },
      body: '',
    });
  });
});
