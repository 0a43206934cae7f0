import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Product } from '../src/catalogue/product.js';
import type { Order, PricedLine } from '../src/orders/order.js';
import { parseOrder } from '../src/orders/parse.js';
import { priceLines, quote, shippingCost, subtotal, volumeDiscount } from '../src/orders/pricing.js';
import { hasMarkup, isCurrency, isSku, validateOrder } from '../src/orders/validation.js';
import { parcelWeight, salesReport } from '../src/reports/sales.js';

const line = (quantity: number, unitPrice: number, unitWeight: number, cancelled = false): PricedLine => ({
  sku: 'AA-100',
  quantity,
  cancelled,
  unitPrice,
  unitWeight,
});

const order = (changes: Partial<Order> = {}): Order => ({
  id: 'order-1',
  currency: 'EUR',
  country: 'DE',
  lines: [{ sku: 'AA-100', quantity: 2, cancelled: false }],
  ...changes,
});

describe('isSku', () => {
  it('accepts the forms that the catalogue uses', () => {
    for (const sku of ['KT-1001', 'TN-300', 'TN-310-XL', 'ABC-12345', 'KT-1002-L', 'KT-100-A1B']) {
      assert.equal(isSku(sku), true, sku);
    }
  });

  it('refuses everything else, again and again', () => {
    for (const sku of ['', 'kt-1001', 'K-1001', 'KT1001', 'KT-12', 'KT-123456', 'KT-1001-', ' KT-1001', 'KT-1001\n']) {
      assert.equal(isSku(sku), false, sku);
      assert.equal(isSku(sku), false, sku);
    }
  });
});

describe('isCurrency', () => {
  it('knows the accepted currencies, exactly as written', () => {
    for (const code of ['EUR', 'USD', 'HUF', 'AUD']) assert.equal(isCurrency(code), true, code);
    for (const code of ['eur', 'JPY', '', 'EU', 'constructor']) assert.equal(isCurrency(code), false, code);
  });
});

describe('hasMarkup', () => {
  it('gives the same answer every time it is asked', () => {
    for (let times = 0; times < 4; times++) assert.equal(hasMarkup('Happy <b>birthday</b>'), true);
    for (let times = 0; times < 4; times++) assert.equal(hasMarkup('one < two, three > two'), false);
  });
});

describe('validateOrder', () => {
  it('has nothing to say about a good order', () => {
    assert.deepEqual(validateOrder(order({ giftMessage: 'Enjoy!' })), []);
  });

  it('names every problem in the order of the fields', () => {
    const problems = validateOrder(
      order({
        currency: 'JPY',
        country: 'GER',
        giftMessage: '<script>',
        lines: [
          { sku: 'nope', quantity: 1, cancelled: false },
          { sku: 'AA-100', quantity: 1.5, cancelled: false },
          { sku: 'AA-100', quantity: 0, cancelled: true },
        ],
      }),
    );
    assert.deepEqual(problems, [
      'currency JPY is not accepted',
      'country GER is not a two letter code',
      'the gift message must be plain text',
      'nope is not a SKU',
      'quantity of AA-100 must be between 1 and 999',
      'quantity of AA-100 must be between 1 and 999',
    ]);
  });

  it('wants between one and a hundred lines and a short message', () => {
    assert.deepEqual(validateOrder(order({ lines: [] })), ['the order has no lines']);
    const lines = Array.from({ length: 101 }, () => ({ sku: 'AA-100', quantity: 1, cancelled: false }));
    assert.deepEqual(validateOrder(order({ lines })), ['the order has more than 100 lines']);
    assert.deepEqual(validateOrder(order({ giftMessage: 'x'.repeat(301) })), ['the gift message is too long']);
  });
});

describe('pricing', () => {
  it('adds up what was not cancelled', () => {
    assert.equal(subtotal([line(2, 150, 0), line(1, 1000, 0, true), line(3, 1, 0)]), 303);
    assert.equal(subtotal([line(5, 100, 0, true)]), 0);
    assert.equal(subtotal([]), 0);
  });

  it('does not change the lines that it is given', () => {
    const lines = Object.freeze([Object.freeze(line(2, 150, 10)), Object.freeze(line(1, 5, 10, true))]);
    assert.equal(subtotal(lines), 300);
    assert.equal(parcelWeight(lines), 20);
    assert.equal(lines.length, 2);
  });

  it('gives a discount from 200 and a larger one from 500', () => {
    assert.equal(volumeDiscount(19999), 0);
    assert.equal(volumeDiscount(20001), 1001);
    assert.equal(volumeDiscount(50000), 5000);
  });

  it('charges shipping by started kilogram, except for large or weightless orders', () => {
    assert.equal(shippingCost([line(2, 100, 600), line(9, 1, 9000, true)], 200), 490 + 2 * 120);
    assert.equal(shippingCost([line(1, 100, 0)], 100), 0);
    assert.equal(shippingCost([line(1, 15000, 700)], 15000), 0);
  });

  it('looks up every line', () => {
    const product: Product = { sku: 'AA-100', title: '', description: '', price: 250, weight: 40 };
    const lines = priceLines(order(), (sku) => (sku === product.sku ? product : undefined));
    assert.deepEqual(lines, [{ sku: 'AA-100', quantity: 2, cancelled: false, unitPrice: 250, unitWeight: 40 }]);
    assert.throws(() => priceLines(order(), () => undefined), { message: 'AA-100 is not in the catalogue' });
  });

  it('puts goods, discount, shipping and tax together', () => {
    assert.deepEqual(quote(order(), [line(2, 1000, 300), line(1, 500, 100, true)]), {
      orderId: 'order-1',
      currency: 'EUR',
      subtotal: 2000,
      discount: 0,
      shipping: 610,
      tax: 496,
      total: 3106,
    });
    assert.equal(quote(order({ country: 'US' }), [line(1, 30000, 300)]).total, 28500);
  });
});

describe('parseOrder', () => {
  it('takes the known fields only', () => {
    const body = {
      id: '1',
      currency: 'EUR',
      country: 'AT',
      giftMessage: 'hi',
      extra: 1,
      lines: [{ sku: 'AA-100', quantity: 1, price: 0 }],
    };
    assert.deepEqual(parseOrder(body), {
      id: '1',
      currency: 'EUR',
      country: 'AT',
      giftMessage: 'hi',
      lines: [{ sku: 'AA-100', quantity: 1, cancelled: false }],
    });
  });

  it('refuses bodies of another shape', () => {
    for (const body of [null, [], 'order', {}, { id: '1', currency: 'EUR', country: 'AT', lines: 'none' }]) {
      assert.throws(() => parseOrder(body), { name: 'HttpError', status: 400 });
    }
    const lines = [{ sku: 'AA-100' }];
    assert.throws(() => parseOrder({ id: '1', currency: 'EUR', country: 'AT', lines }), /every line needs/);
  });
});

describe('salesReport', () => {
  it('counts orders, revenue by currency, discounts and the heaviest parcel', () => {
    const light = [line(1, 30000, 300), line(4, 100, 9000, true)];
    const heavy = [line(2, 1000, 800), line(1, 10, 50)];
    const report = salesReport([
      { quote: quote(order({ country: 'US' }), light), lines: light },
      { quote: quote(order({ country: 'US', currency: 'USD' }), heavy), lines: heavy },
    ]);
    assert.deepEqual(report, {
      orders: 2,
      revenue: { EUR: 28500, USD: 2740 },
      discountedOrders: 1,
      heaviestParcel: 1650,
    });
  });

  it('is empty in the morning', () => {
    assert.deepEqual(salesReport([]), { orders: 0, revenue: {}, discountedOrders: 0, heaviestParcel: 0 });
  });
});
