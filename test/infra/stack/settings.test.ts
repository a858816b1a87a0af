import { RootConstruct } from 'constructs';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../infra/settings.ts';

function settingsOf(context: Record<string, unknown>) {
  const app = new RootConstruct('');
  for (const [name, value] of Object.entries(context)) app.node.setContext(name, value);
  return readSettings(app);
}

describe('readSettings', () => {
  it('has a default for everything', () => {
    expect(settingsOf({})).toEqual({ stackName: 'ChatConnect', lostConnectionsThreshold: 10 });
  });

  it('reads the text of the command line and the values of cdk.json', () => {
    const typed = settingsOf({ publicUrl: 'https://Connect.example.com/', flowTtlSeconds: '60' });
    const json = settingsOf({ slackBaseUrl: 'https://slack.example.com:8443', flowTtlSeconds: 300, stackName: 'a-1' });

    expect(typed).toMatchObject({ publicUrl: 'https://connect.example.com', flowTtlSeconds: 60 });
    expect(json).toEqual({
      slackBaseUrl: 'https://slack.example.com:8443',
      flowTtlSeconds: 300,
      stackName: 'a-1',
      lostConnectionsThreshold: 10,
    });
  });

  it.each([
    ['publicUrl', 'http://connect.example.com', /must be an https origin/],
    ['publicUrl', 'https://connect.example.com/chat', /must be an https origin/],
    ['publicUrl', 'https://connect.example.com?a=b', /must be an https origin/],
    ['publicUrl', 'https://connect.example.com/?', /must be an https origin/],
    ['publicUrl', 'https://user:password@connect.example.com', /must be an https origin/],
    ['publicUrl', 'connect.example.com', /must be an https origin/],
    ['publicUrl', '', /must be an https origin/],
    ['publicUrl', 7, /must be an https origin/],
    ['slackBaseUrl', 'http://localhost:4000', /must be an https origin/],
    ['flowTtlSeconds', '0', /from 1 to 300/],
    ['flowTtlSeconds', '301', /from 1 to 300/],
    ['flowTtlSeconds', '1.5', /from 1 to 300/],
    ['flowTtlSeconds', 'five', /from 1 to 300/],
    ['flowTtlSeconds', '', /from 1 to 300/],
    ['stackName', 'chat_connect', /letters, digits and -/],
    ['lostConnectionsThreshold', '0', /a whole number from 1/],
    ['lostConnectionsThreshold', '', /a whole number from 1/],
    ['alarmTopicArn', 'on-call', /ARN of an SNS topic/],
  ])('refuses %s %j and says why', (name, value, reason) => {
    expect(() => settingsOf({ [name]: value })).toThrow(reason);
    expect(() => settingsOf({ [name]: value })).toThrow(`context ${name}: `);
  });

  it('names every setting that is wrong', () => {
    expect(() => settingsOf({ publicUrl: 'here', flowTtlSeconds: 1000 })).toThrow(
      /context publicUrl: .*\ncontext flowTtlSeconds: /,
    );
  });
});
