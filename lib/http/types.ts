import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';

export type HttpEvent = APIGatewayProxyEventV2;
export type HttpResult = APIGatewayProxyStructuredResultV2;
/** A Lambda handler behind an API Gateway HTTP API, payload format 2.0. */
export type HttpHandler = (event: HttpEvent, context: Context) => Promise<HttpResult>;
