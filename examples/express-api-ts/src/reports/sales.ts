import type { PricedLine, Quote } from '../orders/order.js';

export interface Sale {
  readonly quote: Quote;
  readonly lines: readonly PricedLine[];
}

export interface SalesReport {
  readonly orders: number;
  readonly revenue: Readonly<Record<string, number>>;
  readonly discountedOrders: number;
  readonly heaviestParcel: number;
}

/** The weight of what is really sent, in grams. */
export function parcelWeight(lines: readonly PricedLine[]): number {
  return lines
    .filter((line) => !line.cancelled)
    .map((line) => line.quantity * line.unitWeight)
    .reduce((sum, grams) => sum + grams, 0);
}

/** The figures of the day, asked for by the back office. */
export function salesReport(sales: readonly Sale[]): SalesReport {
  const revenue: Record<string, number> = {};
  let discountedOrders = 0;
  let heaviestParcel = 0;
  for (const { quote, lines } of sales) {
    revenue[quote.currency] = (revenue[quote.currency] ?? 0) + quote.total;
    if (quote.discount > 0) discountedOrders += 1;
    heaviestParcel = Math.max(heaviestParcel, parcelWeight(lines));
  }
  return { orders: sales.length, revenue, discountedOrders, heaviestParcel };
}
