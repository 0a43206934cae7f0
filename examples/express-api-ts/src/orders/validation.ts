import type { Order } from './order.js';

const CURRENCIES = ['EUR', 'GBP', 'USD', 'CHF', 'SEK', 'NOK', 'DKK', 'PLN', 'CZK', 'HUF', 'CAD', 'AUD'];

const MAX_LINES = 100;
const MAX_QUANTITY = 999;
const MAX_MESSAGE_LENGTH = 300;

/** Two or three letters, a number, and optionally a variant: `KT-1001`, `TN-310-XL`. */
export function isSku(value: string): boolean {
  const format = new RegExp('^[A-Z]{2,3}-[0-9]{3,5}(-[A-Z0-9]{1,3})?$');
  return format.test(value);
}

export function isCurrency(code: string): boolean {
  return CURRENCIES.includes(code);
}

/** Gift messages are printed as they are, so anything that looks like a tag is refused. */
export function hasMarkup(message: string): boolean {
  return new RegExp('<[a-z/!][^>]*>', 'gi').test(message);
}

/** Everything that is wrong with an order, as sentences for the person who sent it; empty for a good order. */
export function validateOrder(order: Order): string[] {
  const problems: string[] = [];
  if (!isCurrency(order.currency)) problems.push(`currency ${order.currency} is not accepted`);
  if (order.country.length !== 2) problems.push(`country ${order.country} is not a two letter code`);
  if (order.giftMessage !== undefined) {
    if (order.giftMessage.length > MAX_MESSAGE_LENGTH) problems.push('the gift message is too long');
    if (hasMarkup(order.giftMessage)) problems.push('the gift message must be plain text');
  }
  if (order.lines.length === 0) problems.push('the order has no lines');
  if (order.lines.length > MAX_LINES) problems.push(`the order has more than ${MAX_LINES} lines`);
  for (const line of order.lines) {
    if (!isSku(line.sku)) problems.push(`${line.sku} is not a SKU`);
    if (!Number.isInteger(line.quantity) || line.quantity < 1 || line.quantity > MAX_QUANTITY) {
      problems.push(`quantity of ${line.sku} must be between 1 and ${MAX_QUANTITY}`);
    }
  }
  return problems;
}
