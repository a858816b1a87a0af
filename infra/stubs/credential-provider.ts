/** Stands in a bundle for the credential providers that Lambda never needs; the SDK loads them one by one, on demand. */
throw new Error('No AWS credentials in the environment, and a bundle holds no other credential provider.');
