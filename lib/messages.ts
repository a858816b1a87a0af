import { en } from 'zod/locales';
import * as z from 'zod/mini';

/** zod/mini has no messages of its own; whoever reads ours wants to know what was wrong. */
z.config(en());
