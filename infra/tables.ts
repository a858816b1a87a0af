import { RemovalPolicy } from 'aws-cdk-lib';
import {
  AttributeType,
  ProjectionType,
  StreamViewType,
  TableEncryptionV2,
  type TablePropsV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { connectionsTable, flowsTable, type TableSchema } from '../lib/store/tables.ts';
import { acknowledge } from './acknowledge.ts';

/**
 * The two tables, on demand, as `lib/store/tables.ts` describes them. DynamoDB adds one index to a living table per
 * deployment, so a schema that gains two needs two.
 */
export class Tables extends Construct {
  /** Its logical id is permanent: another one would mean another, empty table. */
  readonly connections: TableV2;
  readonly flows: TableV2;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.connections = new TableV2(this, 'Connections', {
      ...propsOf(connectionsTable),
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      dynamoStream: StreamViewType.NEW_AND_OLD_IMAGES,
    });
    this.flows = new TableV2(this, 'Flows', { ...propsOf(flowsTable), removalPolicy: RemovalPolicy.DESTROY });
    acknowledge(
      this.flows,
      'DDB3',
      'Rows of this table live for minutes and only while a person is at a consent page; losing them costs a repeated ' +
        'click. Restoring them would be the danger: a state that was used once would be unused again.',
    );
  }
}

function propsOf(schema: TableSchema): TablePropsV2 {
  return {
    partitionKey: keyAttribute(schema.partitionKey),
    ...(schema.sortKey !== undefined && { sortKey: keyAttribute(schema.sortKey) }),
    globalSecondaryIndexes: schema.indexes.map((index) => ({
      indexName: index.name,
      partitionKey: keyAttribute(index.partitionKey),
      sortKey: keyAttribute(index.sortKey),
      projectionType: ProjectionType.KEYS_ONLY,
    })),
    timeToLiveAttribute: schema.timeToLiveAttribute,
    // Secrets are sealed before they get here, under the vault's key. A customer key for the table as well would have
    // to be usable by every function, also by those that must not be able to decrypt anything.
    encryption: TableEncryptionV2.dynamoOwnedKey(),
  };
}

function keyAttribute(name: string) {
  return { name, type: AttributeType.STRING };
}
