import { HttpError } from '../errors.js';
import type { Order, OrderLine } from './order.js';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseLine(value: unknown): OrderLine {
  if (!isRecord(value) || typeof value.sku !== 'string' || typeof value.quantity !== 'number') {
    throw new HttpError(400, 'every line needs a sku and a quantity');
  }
  return { sku: value.sku, quantity: value.quantity, cancelled: value.cancelled === true };
}

/** Checks the shape of a request body; what the values mean is checked by `validateOrder`. */
export function parseOrder(body: unknown): Order {
  if (!isRecord(body)) throw new HttpError(400, 'the order must be an object');
  const { id, currency, country, giftMessage, lines } = body;
  if (typeof id !== 'string' || typeof currency !== 'string' || typeof country !== 'string') {
    throw new HttpError(400, 'the order needs id, currency and country');
  }
  if (!Array.isArray(lines)) throw new HttpError(400, 'the order needs lines');
  const order = { id, currency, country, lines: lines.map(parseLine) };
  return typeof giftMessage === 'string' ? { ...order, giftMessage } : order;
}
