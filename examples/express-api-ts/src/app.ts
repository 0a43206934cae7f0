import express, { type Express } from 'express';
import { formatPrice, type Product } from './catalogue/product.js';
import { SearchIndex } from './catalogue/search-index.js';
import { errorHandler, HttpError } from './errors.js';
import { parseOrder } from './orders/parse.js';
import { priceLines, quote } from './orders/pricing.js';
import type { Order } from './orders/order.js';
import { validateOrder } from './orders/validation.js';
import { salesReport, type Sale } from './reports/sales.js';

const MAX_RESULTS = 50;

function readOrder(body: unknown): Order {
  const order = parseOrder(body);
  const problems = validateOrder(order);
  if (problems.length > 0) throw new HttpError(422, 'the order cannot be accepted', problems);
  return order;
}

function readLimit(value: unknown): number {
  if (value === undefined) return 20;
  const limit = Number(value);
  if (!Number.isInteger(limit) || limit < 1) throw new HttpError(400, 'limit must be a positive whole number');
  return Math.min(limit, MAX_RESULTS);
}

/** The whole service over one catalogue; orders are kept in memory. */
export function createApp(products: Iterable<Product>): Express {
  const index = new SearchIndex(products);
  const sales: Sale[] = [];
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '256kb' }));

  app.get('/health', (_request, response) => {
    response.json({ status: 'ok', products: index.size });
  });

  app.get('/products', (request, response) => {
    const hits = index.search(String(request.query.q ?? ''), readLimit(request.query.limit));
    response.json({
      hits: hits.map(({ product, score }) => ({
        sku: product.sku,
        title: product.title,
        price: formatPrice(product.price, 'EUR'),
        score,
      })),
    });
  });

  app.get('/products/:sku', (request, response) => {
    const product = index.find(request.params.sku);
    if (product === undefined) throw new HttpError(404, 'no such product');
    response.json(product);
  });

  app.post('/quotes', (request, response) => {
    const order = readOrder(request.body);
    response.json(quote(order, priceLines(order, (sku) => index.find(sku))));
  });

  app.post('/orders', (request, response) => {
    const order = readOrder(request.body);
    const lines = priceLines(order, (sku) => index.find(sku));
    const accepted = quote(order, lines);
    sales.push({ quote: accepted, lines });
    response.status(201).json(accepted);
  });

  app.get('/reports/sales', (_request, response) => {
    response.json(salesReport(sales));
  });

  app.use(errorHandler);
  return app;
}
