/** Columns that line up. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A command of this program, to be pasted into a shell. */
export function commandLine(args: readonly string[]): string {
  return ['npm run admin --', ...args.map(quoted)].join(' ');
}

/** Creates an integration; the key stays out of the line, and so out of the shell's history. */
export function curlLine(apiUrl: string, body: object): string {
  const headers = `-H "Authorization: ApiKey $API_KEY" -H 'Content-Type: application/json'`;
  return `curl -sS ${quoted(`${apiUrl}/v1/integrations`)} ${headers} -d ${quoted(JSON.stringify(body))}`;
}

/** Somebody may paste a whole key where its id belongs; errors end up in logs. */
export function withoutKeys(text: string): string {
  return text.replace(/\bcc_[A-Za-z0-9]+_[A-Za-z0-9_-]+/g, 'cc_...');
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
