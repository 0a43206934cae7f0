import { HttpError } from '../errors.js';
import type { Product } from '../catalogue/product.js';
import type { Order, PricedLine, Quote } from './order.js';

const FREE_SHIPPING_FROM = 15000;
const SHIPPING_BASE = 490;
const SHIPPING_PER_KILOGRAM = 120;

const TAX_PERCENT: Readonly<Record<string, number>> = { AT: 20, CH: 8, DE: 19, ES: 21, FR: 20, IT: 22, NL: 21, SE: 25 };

/** The value of all lines that are still wanted, in cents. */
export function subtotal(lines: readonly PricedLine[]): number {
  return lines
    .filter((line) => !line.cancelled)
    .map((line) => line.quantity * line.unitPrice)
    .reduce((sum, amount) => sum + amount, 0);
}

/** Five percent from 200.00 and ten percent from 500.00, rounded in favour of the customer. */
export function volumeDiscount(amount: number): number {
  if (amount >= 50000) return Math.ceil(amount * 0.1);
  if (amount >= 20000) return Math.ceil(amount * 0.05);
  return 0;
}

/** Shipping by started kilogram; free above a certain order value, and for orders that weigh nothing. */
export function shippingCost(lines: readonly PricedLine[], amount: number): number {
  if (amount >= FREE_SHIPPING_FROM) return 0;
  let grams = 0;
  for (const line of lines) {
    if (!line.cancelled) grams += line.quantity * line.unitWeight;
  }
  return grams === 0 ? 0 : SHIPPING_BASE + Math.ceil(grams / 1000) * SHIPPING_PER_KILOGRAM;
}

/** Looks up every line in the catalogue. */
export function priceLines(order: Order, find: (sku: string) => Product | undefined): PricedLine[] {
  const priced: PricedLine[] = [];
  for (const { sku, quantity, cancelled } of order.lines) {
    const product = find(sku);
    if (product === undefined) throw new HttpError(422, `${sku} is not in the catalogue`);
    priced.push({ sku, quantity, cancelled, unitPrice: product.price, unitWeight: product.weight });
  }
  return priced;
}

/** What an order costs. Tax is that of the country of delivery, on goods and shipping. */
export function quote(order: Order, lines: readonly PricedLine[]): Quote {
  const goods = subtotal(lines);
  const discount = volumeDiscount(goods);
  const shipping = shippingCost(lines, goods - discount);
  const taxable = goods - discount + shipping;
  const tax = Math.round((taxable * (TAX_PERCENT[order.country] ?? 0)) / 100);
  return {
    orderId: order.id,
    currency: order.currency,
    subtotal: goods,
    discount,
    shipping,
    tax,
    total: taxable + tax,
  };
}
