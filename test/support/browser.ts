import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

/**
 * A real Chromium from the package registry, without a window. Not with the arguments that its package recommends: they
 * switch web security off. It is built for Linux on x64; elsewhere CHROMIUM_PATH names another one.
 */
export async function startBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? (await chromium.executablePath()),
    args: ['--no-sandbox', '--disable-gpu'],
    headless: true,
  });
}

export const phone = { width: 375, height: 720 } as const;
