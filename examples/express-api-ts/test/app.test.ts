import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createApp } from '../src/app.js';
import { seedProducts } from '../src/catalogue/product.js';

describe('the HTTP service', () => {
  let server: Server;
  let base: string;

  before(async () => {
    server = createApp(seedProducts).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => new Promise((resolve) => server.close(resolve)));

  const post = (path: string, body: unknown) =>
    fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const get = (path: string) => fetch(base + path, { headers: { connection: 'close' } });

  const order = {
    id: 'order-1',
    currency: 'EUR',
    country: 'DE',
    lines: [
      { sku: 'KT-1001', quantity: 2 },
      { sku: 'TN-300', quantity: 1, cancelled: true },
    ],
  };

  it('says that it is well', async () => {
    const response = await get('/health');
    assert.deepEqual(await response.json(), { status: 'ok', products: seedProducts.length });
  });

  it('searches the catalogue', async () => {
    const response = await get('/products?q=a%20tent%20with%20the%20porch&limit=1');
    assert.deepEqual(await response.json(), {
      hits: [{ sku: 'TN-300', title: 'Two person tent', price: '189.00 EUR', score: 5 }],
    });
    assert.equal((await get('/products?q=tent&limit=none')).status, 400);
  });

  it('shows one product', async () => {
    const response = await get('/products/LX-2040');
    assert.equal(((await response.json()) as { title: string }).title, 'Rechargeable head torch');
    assert.equal((await get('/products/LX-9999')).status, 404);
  });

  it('quotes an order', async () => {
    const response = await post('/quotes', order);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      orderId: 'order-1',
      currency: 'EUR',
      subtotal: 4980,
      discount: 0,
      shipping: 610,
      tax: 1062,
      total: 6652,
    });
  });

  it('refuses bad orders with reasons', async () => {
    const response = await post('/quotes', { ...order, currency: 'XXX', giftMessage: '<i>hi</i>' });
    assert.equal(response.status, 422);
    assert.deepEqual(await response.json(), {
      error: 'the order cannot be accepted',
      details: ['currency XXX is not accepted', 'the gift message must be plain text'],
    });
    assert.equal((await post('/quotes', { ...order, lines: [{ sku: 'ZZ-999', quantity: 1 }] })).status, 422);
    assert.equal((await post('/orders', {})).status, 400);
    assert.equal((await post('/orders', '{"id":')).status, 400);
  });

  it('counts accepted orders in the report', async () => {
    assert.equal((await post('/orders', order)).status, 201);
    const response = await get('/reports/sales');
    assert.deepEqual(await response.json(), {
      orders: 1,
      revenue: { EUR: 6652 },
      discountedOrders: 0,
      heaviestParcel: 760,
    });
  });
});
