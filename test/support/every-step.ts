import { startInstance } from './instance.ts';
import type { TestService } from './service.ts';

type Instance = ReturnType<typeof startInstance>;

/** What happens at a step, which is a command to DynamoDB or a call to a provider. */
const endings = {
  'ends before': 'killAt',
  'loses the answer of': 'failAfter',
  repeats: 'repeat',
} as const;
export type Ending = keyof typeof endings;
export const everyEnding = Object.keys(endings) as Ending[];

/**
 * Does something in a process that ends, or loses an answer, at its first step; then at its second one, and so on until
 * it takes no more of them.
 * @returns how many steps there were
 */
export async function atEveryStep(
  service: TestService,
  ending: Ending,
  act: (arm: (instanceFetch?: typeof fetch) => Instance) => Promise<void>,
): Promise<number> {
  for (let step = 1; ; step += 1) {
    let instance: Instance | undefined;
    const arm = (send?: typeof fetch) => {
      instance = startInstance(service, { countsCalls: true, ...(send && { fetch: send }) });
      instance.faults[endings[ending]](step);
      return instance;
    };
    try {
      await act(arm);
    } catch (error) {
      throw new Error(`a process that ${ending} step ${step}`, { cause: error });
    }
    if (!instance?.faults.happened) return step - 1;
  }
}
