/** Prices are in cents and weights in grams, so that sums stay whole numbers. */
export interface Product {
  readonly sku: string;
  readonly title: string;
  readonly description: string;
  readonly price: number;
  readonly weight: number;
}

export const seedProducts: readonly Product[] = [
  {
    sku: 'KT-1001',
    title: 'Insulated water bottle',
    description: 'A stainless steel bottle that keeps drinks cold for the whole day, with a lid which does not leak.',
    price: 2490,
    weight: 380,
  },
  {
    sku: 'KT-1002-L',
    title: 'Large enamel mug',
    description: 'An enamel mug for the camp fire: it is light, and it can take more than a few knocks.',
    price: 1290,
    weight: 210,
  },
  {
    sku: 'LX-2040',
    title: 'Rechargeable head torch',
    description: 'A head torch with a red light, so that you do not wake the others in your tent.',
    price: 3990,
    weight: 95,
  },
  {
    sku: 'LX-2041',
    title: 'Camping lantern',
    description: 'A lantern with a warm light for the tent and the table. The battery can also charge your phone.',
    price: 4590,
    weight: 540,
  },
  {
    sku: 'TN-300',
    title: 'Two person tent',
    description: 'A tent for two with a porch that has room for all of the wet boots.',
    price: 18900,
    weight: 2650,
  },
  {
    sku: 'TN-310-XL',
    title: 'Family tent',
    description: 'A tall tent in which four people can stand. There are two bedrooms and a porch.',
    price: 42900,
    weight: 9800,
  },
  {
    sku: 'BP-550',
    title: 'Day pack',
    description: 'A small pack for a day in the hills, with a sleeve for a water bottle on either side.',
    price: 6900,
    weight: 720,
  },
  {
    sku: 'GC-050',
    title: 'Gift card',
    description: 'A gift card is sent by mail to whoever you choose.',
    price: 5000,
    weight: 0,
  },
];

/** A price tag such as `24.90 EUR`. */
export function formatPrice(cents: number, currency: string): string {
  return `${(cents / 100).toFixed(2)} ${currency}`;
}
