import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll } from 'vitest';
import { createApp } from '../../../infra/app.ts';
import type { FunctionName } from '../../../infra/routes.ts';

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

const folder = mkdtempSync(join(tmpdir(), 'chat-connect-stack-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The app without bundling, which these tests have no use for. */
export function testApp(context: Record<string, unknown> = {}) {
  const outdir = mkdtempSync(join(folder, 'assembly-'));
  return createApp({ outdir, analyticsReporting: false, context: { 'aws:cdk:bundling-stacks': [], ...context } });
}

export type Synthesized = ReturnType<typeof synthesize>;

/** The template of the stack, with ways to read it in the words of the service. */
export function synthesize(context: Record<string, unknown> = {}) {
  const [stack] = testApp(context).synth().stacks;
  if (!stack) throw new Error('the app has no stack');
  const template = Template.fromJSON(stack.template);
  const resources = stack.template.Resources as Record<string, Resource>;

  const ofType = (type: string) => Object.entries(resources).filter(([, resource]) => resource.Type === type);

  const functionResource = (name: FunctionName) => {
    const found = ofType('AWS::Lambda::Function').find(
      ([, { Properties }]) => Properties['Description'] === `Chat Connect: ${name}`,
    );
    if (!found) throw new Error(`no function ${name}`);
    return { logicalId: found[0], properties: found[1].Properties };
  };

  const environmentOf = (name: FunctionName): Record<string, string> => {
    const { Variables } = functionResource(name).properties['Environment'] as { Variables: Record<string, unknown> };
    return Object.fromEntries(Object.entries(Variables).map(([variable, value]) => [variable, render(value)]));
  };

  /** Everything that the role of a function may do, as sorted lines `action resource`. */
  const permissionsOf = (name: FunctionName): string[] => {
    const roleId = render(functionResource(name).properties['Role']).replace(/\.Arn$/, '');
    const role = resources[roleId];
    if (!role || role.Properties['ManagedPolicyArns'] || role.Properties['Policies']) {
      throw new Error(`the role of ${name} has permissions of another form`);
    }
    const policies = Object.values(resources).filter(
      (resource) =>
        resource.Type.startsWith('AWS::IAM::') &&
        ((resource.Properties['Roles'] ?? []) as unknown[]).some((given) => render(given) === roleId),
    );
    return policies
      .flatMap(({ Properties }) => (Properties['PolicyDocument'] as { Statement: Statement[] }).Statement)
      .flatMap((statement) =>
        listOf(statement.Action).flatMap((action) =>
          listOf(statement.Resource).map((on) => `${statement.Effect} ${action} ${render(on)}`),
        ),
      )
      .sort();
  };

  return { stack, template, resources, ofType, functionResource, environmentOf, permissionsOf };
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** A value of a template as text: `{Ref: X}` is `X`, an attribute `X.Attribute`. */
export function render(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[intrinsic, argument] = []] = Object.entries(value as object);
  if (intrinsic === 'Ref') return String(argument);
  if (intrinsic === 'Fn::GetAtt') return (argument as string[]).join('.');
  if (intrinsic === 'Fn::Join') {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map(render).join(separator);
  }
  throw new Error(`cannot render ${JSON.stringify(value)}`);
}

function listOf<Item>(value: Item | Item[]): Item[] {
  return Array.isArray(value) ? value : [value];
}
