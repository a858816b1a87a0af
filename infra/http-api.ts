import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  HttpApi,
  HttpMethod,
  HttpRoute,
  HttpRouteKey,
  HttpStage,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { logRetention } from './log-retention.ts';
import { type FunctionName, fallbackFunction, routes } from './routes.ts';

/**
 * Some routes are public, so these bound what a flood can cost. At 100 ms a call the rate keeps 50 functions busy, of
 * the 1,000 that an account may run at once; the burst lets a product wake up all at once.
 */
const throttle = { rateLimit: 500, burstLimit: 1000 };

/** Never a path, query, header or cookie: these carry states, codes and identifiers. The route key says enough. */
const accessLogFields = {
  time: '$context.requestTime',
  requestId: '$context.requestId',
  lambdaRequestId: '$context.integration.requestId',
  sourceIp: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  routeKey: '$context.routeKey',
  status: '$context.status',
  responseBytes: '$context.responseLength',
  latencyMilliseconds: '$context.responseLatency',
  integrationStatus: '$context.integration.integrationStatus',
  integrationLatencyMilliseconds: '$context.integration.latency',
  integrationError: '$context.integrationErrorMessage',
  errorType: '$context.error.responseType',
};

/** The HTTP API with the routes of `routes.ts`. Made before the functions, since they are told its endpoint. */
export class ChatConnectApi extends Construct {
  /** Where API Gateway serves it, without a slash at the end. */
  readonly endpoint: string;
  readonly #api: HttpApi;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.#api = new HttpApi(this, 'Api', {
      apiName: Stack.of(this).stackName,
      createDefaultStage: false,
      // Stays open beside a domain of the operator's: providers keep redirecting to it while they are moved over.
      disableExecuteApiEndpoint: false,
    });
    this.endpoint = this.#api.apiEndpoint;

    const accessLog = new LogGroup(this, 'AccessLog', {
      // CloudWatch limits the size of the policy that lets API Gateway write, except for groups with this prefix.
      logGroupName: `/aws/vendedlogs/${Stack.of(this).stackName}/access`,
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    new HttpStage(this, 'Stage', {
      httpApi: this.#api,
      stageName: '$default',
      autoDeploy: true,
      throttle,
      accessLogSettings: {
        destination: new LogGroupLogDestination(accessLog),
        format: AccessLogFormat.custom(JSON.stringify(accessLogFields)),
      },
    });
    acknowledge(
      this,
      'APIG4',
      'API keys are checked by the functions, where the environment of a key is found, and refused with the answers ' +
        'that the API promises. OAuth callbacks, /health and /openapi.json are public by their nature; a callback is authorised by ' +
        'its single-use state.',
    );
  }

  /** Binds every route, and the answer to everything else. API Gateway may call a function for its routes only. */
  addRoutes(functions: Readonly<Record<FunctionName, IFunction>>): void {
    const integrations = new Map<FunctionName, HttpLambdaIntegration>();
    const integrationOf = (name: FunctionName) => {
      const integration = integrations.get(name) ?? new HttpLambdaIntegration(name, functions[name]);
      integrations.set(name, integration);
      return integration;
    };
    for (const route of routes) {
      new HttpRoute(this, `${route.method} ${route.path}`, {
        httpApi: this.#api,
        routeKey: HttpRouteKey.with(route.path, HttpMethod[route.method]),
        integration: integrationOf(route.function),
      });
    }
    new HttpRoute(this, 'Default', {
      httpApi: this.#api,
      routeKey: HttpRouteKey.DEFAULT,
      integration: integrationOf(fallbackFunction),
    });
  }
}
