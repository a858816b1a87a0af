import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

/** The key that wraps the data key of each environment. Without it no stored secret can be read again, ever. */
export class VaultKey extends Construct {
  /** Its logical id is permanent: another one would mean another key, which unwraps nothing. */
  readonly key: Key;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.key = new Key(this, 'Key', {
      description: `Wraps the data keys of the environments of ${Stack.of(this).stackName}`,
      alias: `${Stack.of(this).stackName}/vault`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  /**
   * Lets a function unwrap data keys of environments, and nothing else that this key may ever encrypt: the encryption
   * context must hold an environment id and no other entry. KMS itself checks that it is the id of the wrapped key.
   */
  grantUnwrap(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [this.key.keyArn],
        conditions: {
          'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['environmentId'] },
          // ForAllValues alone also holds for a request without any encryption context.
          Null: { 'kms:EncryptionContextKeys': 'false' },
        },
      }),
    );
  }
}
